"""One queue of runs with the dead-letter queue behind it."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from flotilla import queue_policy

DEAD_LETTER_SECONDS = 30
"""So long the function may take that looks at a dead letter, which stays hidden for six times as long."""


class RunQueue(Construct):
    """`queue` holds one message a run that waits; `dead_letters` what was received too often."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = self._queue(
            "DeadLetters",
            name=queue_policy.dead_letter_name(name),
            retention=Duration.days(queue_policy.DEAD_LETTER_RETENTION_DAYS),
            visibility=Duration.seconds(6 * DEAD_LETTER_SECONDS),
        )
        self.queue = self._queue(
            "Queue",
            name=name,
            retention=Duration.days(queue_policy.RETENTION_DAYS),
            visibility=Duration.seconds(queue_policy.VISIBILITY_SECONDS),
            dead_letters=DeadLetterQueue(queue=self.dead_letters, max_receive_count=queue_policy.MAX_RECEIVES),
        )

    def _queue(
        self,
        construct_id: str,
        *,
        name: str,
        retention: Duration,
        visibility: Duration | None = None,
        dead_letters: DeadLetterQueue | None = None,
    ) -> Queue:
        return Queue(
            self,
            construct_id,
            queue_name=name,
            retention_period=retention,
            visibility_timeout=visibility,
            dead_letter_queue=dead_letters,
            receive_message_wait_time=Duration.seconds(queue_policy.LONG_POLL_SECONDS),
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.DESTROY,  # PostgreSQL knows what waits, and sends it anew
        )
