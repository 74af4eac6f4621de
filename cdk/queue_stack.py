"""The stack of the queues that tell workers of waiting runs."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from cdk.run_queue import RunQueue
from flotilla.queue_policy import QUEUE_NAMES
from flotilla.states import Priority


class QueueStack(Stack):
    """`high` is received from first, `normal` is the other; each with its dead-letter queue."""

    def __init__(self, scope: Construct, construct_id: str, *, prefix: str, env: Environment) -> None:
        super().__init__(scope, construct_id, description="Flotilla: the queues of waiting runs", env=env)
        self.high = RunQueue(self, "RunsHigh", name=f"{prefix}-{QUEUE_NAMES[Priority.HIGH]}")
        self.normal = RunQueue(self, "Runs", name=f"{prefix}-{QUEUE_NAMES[Priority.NORMAL]}")
        CfnOutput(self, "QueueHighUrl", value=self.high.queue.queue_url)
        CfnOutput(self, "QueueUrl", value=self.normal.queue.queue_url)
