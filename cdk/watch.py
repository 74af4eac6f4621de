"""The alarms that call people."""

from aws_cdk import Duration
from aws_cdk.aws_apigatewayv2 import HttpApi
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, IMetric, Metric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_rds import DatabaseInstance
from aws_cdk.aws_sns import ITopic
from constructs import Construct

from cdk.run_queue import RunQueue
from flotilla.metrics import NAMESPACE, STAGE_DIMENSION
from flotilla.metrics import Metric as Name

MINUTE = Duration.minutes(1)
FIVE_MINUTES = Duration.minutes(5)
GIB = 2**30


def fleet_metric(name: Name, *, stage: str, statistic: str = "Maximum") -> Metric:
    """One of the fleet's own metrics, by the minute."""
    return Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={STAGE_DIMENSION: stage},
        statistic=statistic,
        period=MINUTE,
    )


class Watch(Construct):
    """One method a thing to watch; every alarm tells `topic`, and tells it again when it is over."""

    def __init__(self, scope: Construct, construct_id: str, *, prefix: str, stage: str, topic: ITopic) -> None:
        super().__init__(scope, construct_id)
        self._prefix = prefix
        self._stage = stage
        self._topic = topic

    def pulse(self) -> None:
        """That it beats, that it may launch, and that nothing waits for an hour."""
        beats = fleet_metric(Name.WAITING, stage=self._stage, statistic="SampleCount")
        self._alarm(
            "SilentPulse", "The pulse has not reported for five minutes", beats, below=1, minutes=5, missing_is_bad=True
        )
        stopped = fleet_metric(Name.LAUNCHES_STOPPED, stage=self._stage)
        self._alarm("LaunchesStopped", "The group launches nothing: boots fail one after another", stopped, above=0)
        oldest = fleet_metric(Name.OLDEST_WAIT, stage=self._stage)
        self._alarm("OldestWait", "A run that may start has waited for an hour", oldest, above=3600, minutes=5)

    def queue(self, queue: RunQueue, *, name: str) -> None:
        """That messages are received, and that none is dead."""
        age = queue.queue.metric_approximate_age_of_oldest_message(period=MINUTE, statistic="Maximum")
        self._alarm(f"{name}Age", "A message has waited for an hour", age, above=3600, minutes=5)
        dead = queue.dead_letters.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Maximum")
        self._alarm(
            f"{name}Dead", "Messages lie on the dead-letter queue, and nobody takes them", dead, above=0, minutes=15
        )

    def unreadable_letters(self) -> None:
        """That what lies on the queues is ours."""
        letters = fleet_metric(Name.UNREADABLE_LETTERS, stage=self._stage, statistic="Sum")
        self._alarm("UnreadableLetters", "A dead message is none that this fleet sends", letters, above=0)

    def api(self, api: HttpApi) -> None:
        """That it answers."""
        faults = api.metric_server_error(period=FIVE_MINUTES, statistic="Sum")
        self._alarm(
            "ApiFaults", "The API answered five requests in five minutes with a fault of its own", faults, above=4
        )

    def database(self, instance: DatabaseInstance, *, connections: int) -> None:
        """That it has room, in storage and in connections."""
        free = instance.metric_free_storage_space(period=FIVE_MINUTES, statistic="Minimum")
        self._alarm("DatabaseStorage", "The database has less than 4 GiB of storage left", free, below=4 * GIB)
        used = instance.metric_database_connections(period=MINUTE, statistic="Maximum")
        most = int(0.9 * connections)
        self._alarm("DatabaseConnections", "Nine of ten database connections are in use", used, above=most, minutes=5)

    def _alarm(
        self,
        name: str,
        description: str,
        metric: IMetric,
        *,
        above: float | None = None,
        below: float | None = None,
        minutes: int = 1,
        missing_is_bad: bool = False,
    ) -> None:
        operator = ComparisonOperator.LESS_THAN_THRESHOLD
        if above is not None:
            operator = ComparisonOperator.GREATER_THAN_THRESHOLD
        alarm = Alarm(
            self,
            name,
            alarm_name=f"{self._prefix}-{name}",
            alarm_description=description,
            metric=metric,
            comparison_operator=operator,
            threshold=above if above is not None else below or 0,
            evaluation_periods=minutes,
            treat_missing_data=TreatMissingData.BREACHING if missing_is_bad else TreatMissingData.NOT_BREACHING,
        )
        action = SnsAction(self._topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
