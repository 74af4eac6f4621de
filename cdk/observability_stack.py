"""The stack of what people see and are told."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from cdk.api_stack import ApiStack
from cdk.configuration import Configuration
from cdk.dashboard import FleetDashboard
from cdk.ground import Ground
from cdk.topic import PeopleTopic
from cdk.watch import Watch


class ObservabilityStack(Stack):
    """A topic, the alarms that are published to it, and a dashboard."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        ground: Ground,
        api: ApiStack,
        env: Environment,
    ) -> None:
        super().__init__(scope, construct_id, description="Flotilla: alarms for people, and a dashboard", env=env)
        people = PeopleTopic(self, "People", name=f"{configuration.prefix}-alarms", email=configuration.alarm_email)
        watch = Watch(self, "Watch", prefix=configuration.prefix, stage=configuration.stage, topic=people.topic)
        instance = ground.database.database.instance
        watch.pulse()
        watch.queue(ground.queues.high, name="RunsHigh")
        watch.queue(ground.queues.normal, name="Runs")
        watch.unreadable_letters()
        watch.api(api.http.api)
        watch.database(instance, connections=configuration.database_connections)
        FleetDashboard(
            self,
            "Dashboard",
            configuration=configuration,
            parts={
                "API": [api.http.api.metric_count(), api.http.api.metric_server_error()],
                "Database": [instance.metric_database_connections(), instance.metric_cpu_utilization()],
            },
        )
        CfnOutput(self, "AlarmTopic", value=people.topic.topic_arn)
