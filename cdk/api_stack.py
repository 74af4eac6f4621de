"""The stack of the front end: the API, the pulse, and who takes care of dead letters."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Environment, Stack
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from cdk import grants
from cdk.configuration import Configuration
from cdk.fleet_function import MOUNT, FleetFunction, Size
from cdk.function_code import FunctionCode
from cdk.ground import Ground
from cdk.http_api import FleetApi
from cdk.run_queue import DEAD_LETTER_SECONDS

PULSES_AT_ONCE = 3  # one leads; another may be starting, or be told of new work
PULSE_LIMIT = Duration.seconds(90)  # its last tick begins at 50 s, and one cut off would quieten the next
MOST_DEAD_LETTER_FUNCTIONS = 2  # as few as an event source can be held to


class ApiStack(Stack):
    """`http`, `pulse` and `dead_letters`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        ground: Ground,
        wheels: Path,
        env: Environment,
    ) -> None:
        super().__init__(scope, construct_id, description="Flotilla: API, pulse and dead letters", env=env)
        self._configuration = configuration
        self._place = ground.network.place
        self._files = ground.storage.files
        self._secret = ground.database.database.secret
        self._queues = ground.queue_pair
        self._code = FunctionCode(self, "Code", wheels_directory=wheels)
        self.pulse = self._pulse()
        self.api = self._api()
        self.dead_letters = self._dead_letters()
        self.http = FleetApi(self, "Http", configuration=configuration, function=self.api.function)
        CfnOutput(self, "Url", value=self.http.url)

    def _pulse(self) -> FleetFunction:
        pulse = self._function(
            "Pulse",
            name="pulse",
            size=Size(timeout=PULSE_LIMIT, memory_mib=512, concurrency=PULSES_AT_ONCE),
            environment={
                **self._stored(),
                **self._queued(),
                "FLOTILLA_STAGE": self._configuration.stage,
                "FLOTILLA_GROUP": self._configuration.group,
                "FLOTILLA_SLOTS": str(self._configuration.slots),
            },
        )
        pulse.mount(self._files.functions)
        grants.to_pulse(
            pulse.role,
            configuration=self._configuration,
            database=self._secret,
            files=self._files,
            queues=self._queues,
        )
        target = LambdaFunction(pulse.function, retry_attempts=0, max_event_age=Duration.minutes(1))
        Rule(self, "EveryMinute", schedule=Schedule.rate(Duration.minutes(1)), targets=[target])
        return pulse

    def _api(self) -> FleetFunction:
        api = self._function(
            "Api",
            name="api",
            size=Size(timeout=Duration.seconds(29), memory_mib=1024, concurrency=self._configuration.api_concurrency),
            environment={
                **self._stored(),
                **self._queued(),
                "FLOTILLA_PULSE_FUNCTION": self.pulse.function.function_name,
                "FLOTILLA_ALLOW_HOST_ACCESS": str(self._configuration.allow_host_access).lower(),
            },
        )
        api.mount(self._files.functions)
        grants.to_api(
            api.role, database=self._secret, files=self._files, pulse=self.pulse.function, queues=self._queues
        )
        return api

    def _dead_letters(self) -> FleetFunction:
        dead_letters = self._function(
            "DeadLetters",
            name="dead_letters",
            size=Size(timeout=Duration.seconds(DEAD_LETTER_SECONDS)),
            environment={
                "FLOTILLA_DATABASE_SECRET": self._secret.secret_arn,
                **self._queued(),
                "FLOTILLA_STAGE": self._configuration.stage,
            },
        )
        grants.to_dead_letters(dead_letters.role, database=self._secret, queues=self._queues)
        for queue in self._queues:
            source = SqsEventSource(
                queue.dead_letters, max_concurrency=MOST_DEAD_LETTER_FUNCTIONS, report_batch_item_failures=True
            )
            dead_letters.function.add_event_source(source)
        return dead_letters

    def _function(self, construct_id: str, *, name: str, size: Size, environment: dict[str, str]) -> FleetFunction:
        return FleetFunction(
            self,
            construct_id,
            name=name,
            code=self._code,
            configuration=self._configuration,
            size=size,
            environment=environment,
            place=self._place,
        )

    def _stored(self) -> dict[str, str]:
        return {"FLOTILLA_DATABASE_SECRET": self._secret.secret_arn, "FLOTILLA_SHARED": MOUNT}

    def _queued(self) -> dict[str, str]:
        high, normal = self._queues
        return {"FLOTILLA_QUEUE_HIGH_URL": high.queue.queue_url, "FLOTILLA_QUEUE_URL": normal.queue.queue_url}
