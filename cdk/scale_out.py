"""What makes the group grow: the alarm on the shortfall, exactly as `flotilla/scaling.py` says, and one behind it."""

from aws_cdk.aws_autoscaling import CfnScalingPolicy
from aws_cdk.aws_cloudwatch import CfnAlarm
from constructs import Construct

from cdk.configuration import Configuration
from cdk.run_queue import RunQueue
from flotilla.metrics import NAMESPACE, STAGE_DIMENSION, Metric
from flotilla.scaling import SCALE_OUT

OLD_SECONDS = 600
"""A message this old, while no pulse reports, says that work waits and nobody counts it."""
BACKUP_PERIOD_SECONDS = 60
"""SQS's own metrics come by the minute."""


class ScaleOut(Construct):
    """`shortfall` adds what is short; `old_messages` adds one worker a minute, only while the pulse is silent."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        queues: tuple[RunQueue, RunQueue],
    ) -> None:
        super().__init__(scope, construct_id)
        dimension = CfnAlarm.DimensionProperty(name=STAGE_DIMENSION, value=configuration.stage)
        self.shortfall = CfnAlarm(
            self,
            "Shortfall",
            alarm_name=f"{configuration.prefix}-shortfall",
            alarm_description="Workers are short: the group grows by that many",
            namespace=NAMESPACE,
            metric_name=SCALE_OUT.metric,
            dimensions=[dimension],
            statistic=SCALE_OUT.statistic,
            period=SCALE_OUT.period_seconds,
            evaluation_periods=SCALE_OUT.evaluation_periods,
            datapoints_to_alarm=SCALE_OUT.datapoints_to_alarm,
            comparison_operator=SCALE_OUT.comparison,
            threshold=SCALE_OUT.threshold,
            treat_missing_data=SCALE_OUT.missing_data,
            alarm_actions=[self._policy("AddWhatIsShort", configuration.group, _steps()).ref],
        )
        one = [CfnScalingPolicy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)]
        self.old_messages = CfnAlarm(
            self,
            "OldMessages",
            alarm_name=f"{configuration.prefix}-old-messages",
            alarm_description="Messages grow old and the pulse is silent: the group grows by one",
            metrics=_age_while_silent(dimension, queues),
            evaluation_periods=3,
            datapoints_to_alarm=3,
            comparison_operator="GreaterThanThreshold",
            threshold=OLD_SECONDS,
            treat_missing_data="notBreaching",
            alarm_actions=[self._policy("AddOne", configuration.group, one).ref],
        )

    def _policy(
        self, construct_id: str, group: str, steps: list[CfnScalingPolicy.StepAdjustmentProperty]
    ) -> CfnScalingPolicy:
        return CfnScalingPolicy(
            self,
            construct_id,
            auto_scaling_group_name=group,
            policy_type="StepScaling",
            adjustment_type=SCALE_OUT.adjustment_type,
            metric_aggregation_type=SCALE_OUT.statistic,
            estimated_instance_warmup=SCALE_OUT.warmup_seconds,
            step_adjustments=steps,
        )


def _steps() -> list[CfnScalingPolicy.StepAdjustmentProperty]:
    return [
        CfnScalingPolicy.StepAdjustmentProperty(
            metric_interval_lower_bound=lower, metric_interval_upper_bound=upper, scaling_adjustment=step.add
        )
        for step in SCALE_OUT.steps
        for lower, upper in [SCALE_OUT.interval(step)]
    ]


def _age_while_silent(
    dimension: CfnAlarm.DimensionProperty, queues: tuple[RunQueue, RunQueue]
) -> list[CfnAlarm.MetricDataQueryProperty]:
    """The age of the oldest message while no pulse reports, else 0."""
    beats = CfnAlarm.MetricProperty(namespace=NAMESPACE, metric_name=Metric.WAITING, dimensions=[dimension])
    queries = [_by_the_minute("beats", beats, statistic="SampleCount")]
    for number, queue in enumerate(queues):
        name = CfnAlarm.DimensionProperty(name="QueueName", value=queue.queue.queue_name)
        age = CfnAlarm.MetricProperty(
            namespace="AWS/SQS", metric_name="ApproximateAgeOfOldestMessage", dimensions=[name]
        )
        queries.append(_by_the_minute(f"age{number}", age, statistic="Maximum"))
    expression = "IF(FILL(beats, 0) > 0, 0, MAX([FILL(age0, 0), FILL(age1, 0)]))"
    return [CfnAlarm.MetricDataQueryProperty(id="age", expression=expression, return_data=True), *queries]


def _by_the_minute(name: str, metric: CfnAlarm.MetricProperty, *, statistic: str) -> CfnAlarm.MetricDataQueryProperty:
    stat = CfnAlarm.MetricStatProperty(metric=metric, period=BACKUP_PERIOD_SECONDS, stat=statistic)
    return CfnAlarm.MetricDataQueryProperty(id=name, metric_stat=stat, return_data=False)
