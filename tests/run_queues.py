"""Our SQS endpoint in a process of its own, and the queues of a fleet on it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flotilla.queue import RunQueue
from flotilla.queue_policy import dead_letter_name
from flotilla.states import Priority

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

STOP_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsProcess:
    """Our endpoint, running."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def running_sqs(*options: str) -> Iterator[SqsProcess]:
    """Our endpoint with further command-line options; it stops at the end of the `with`."""
    command = [sys.executable, "-m", "flotilla.local.sqs", "--port", "0", "--die-with-parent", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with stopped_at_the_end(process):
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        yield SqsProcess(url=url, process=process)


@contextmanager
def stopped_at_the_end[T: (str, bytes)](process: subprocess.Popen[T]) -> Iterator[None]:
    """Ends the process with the block."""
    with process:  # closes its pipes
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueues:
    """Two new queues with dead-letter queues behind them, as the fleet sees them and as anybody does."""

    client: "SQSClient"
    urls: dict[Priority, str]

    @classmethod
    def made(cls, client: "SQSClient", *, name: str, most_receives: int = 1000) -> "RunQueues":
        """Makes all four; a message that was received so often is dead."""
        urls = {}
        for priority in Priority:
            grave = client.create_queue(QueueName=dead_letter_name(f"{name}-{priority}"))["QueueUrl"]
            known = client.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]
            redrive = json.dumps({"deadLetterTargetArn": known["QueueArn"], "maxReceiveCount": most_receives})
            made = client.create_queue(QueueName=f"{name}-{priority}", Attributes={"RedrivePolicy": redrive})
            urls[priority] = made["QueueUrl"]
        return cls(client=client, urls=urls)

    @property
    def queue(self) -> RunQueue:
        """What the fleet's code is given."""
        return RunQueue(self.client, urls=self.urls)

    def bury(self, body: str, *, priority: Priority = Priority.NORMAL) -> None:
        """Puts a message on the dead-letter queue, whatever it says."""
        self.client.send_message(QueueUrl=dead_letter_name(self.urls[priority]), MessageBody=body)

    def received(self, priority: Priority = Priority.NORMAL) -> list[str]:
        """The runs of what lies visible on a queue, sorted; their messages are hidden afterwards."""
        answer = self.queue.receive(priority, most=10, wait_seconds=0, visibility_seconds=600)
        return sorted(message.run_id for message in answer.messages)

    def dead(self, priority: Priority = Priority.NORMAL) -> int:
        """How many letters lie on a dead-letter queue, hidden ones too."""
        depth = self.queue.dead_letters.depth(priority)
        return depth.visible + depth.in_flight
