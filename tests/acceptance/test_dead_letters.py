"""Dead letters of a whole stack: a run whose message dies twice ends, the rest comes back or is told."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flotilla.local.queues import REGION
from flotilla.queue import RunQueue, sqs_client
from flotilla.queue_policy import MAX_RECEIVES
from flotilla.states import Priority
from tests.acceptance.asking import Asking
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import COMMAND, until

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NORMAL = Priority.NORMAL
SLOTS = 10
UNENDING = {**TASK, "solution/solve.sh": "#!/bin/sh\nsleep 600\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mortal:
    """A stack whose workers are busy, so that nobody receives, and whose messages die when they were received once."""

    asking: Asking
    client: "SQSClient"
    url: str

    @property
    def queue(self) -> RunQueue:
        return RunQueue(self.client, urls={NORMAL: self.url})

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def receive(self) -> None:
        """Receives what lies there and does nothing with it, as a worker that cannot."""
        self.queue.receive(NORMAL, most=10, wait_seconds=0, visibility_seconds=0)

    def queued_run(self) -> dict[str, Any]:
        """A run that is queued, and its message on the queue."""
        job_id = self.asking.submit(TASK)
        until(lambda: self.asking.job(job_id)["counts"]["queued"] == 1, "its message was sent")
        return self.asking.runs(job_id)[0]


@pytest.fixture
def mortal(sandboxes: Asking) -> Iterator[Mortal]:
    busy = sandboxes.submit(UNENDING, runs=SLOTS)
    until(lambda: sandboxes.job(busy)["counts"]["running"] == SLOTS, "every slot is taken")
    known = server_variables(sandboxes)
    client = sqs_client(
        endpoint_url=known["AWS_ENDPOINT_URL"], region=REGION, access_key=known["AWS_ACCESS_KEY_ID"], brief=True
    )
    url = known["FLOTILLA_QUEUE_URL"]
    set_most_receives(client, url, 1)
    yield Mortal(asking=sandboxes, client=client, url=url)
    set_most_receives(client, url, MAX_RECEIVES)
    client.close()
    sandboxes.http.post(f"/v1/jobs/{busy}/cancel")
    sandboxes.ended(busy)


def server_variables(asking: Asking) -> dict[str, str]:
    """What the stack's server was given: the queue's address and key among it."""
    pid = asking.stack.part("flotilla.local.server")
    words = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if word)


def set_most_receives(client: "SQSClient", url: str, most: int) -> None:
    given = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    policy = json.dumps({**json.loads(given), "maxReceiveCount": str(most)})
    client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})


def flotilla(asking: Asking, *words: str) -> Any:
    """What a command prints."""
    given = {**os.environ, "FLOTILLA_URL": asking.stack.url, "FLOTILLA_API_KEY": asking.stack.key}
    done = subprocess.run([*COMMAND, *words, "--json"], capture_output=True, text=True, env=given, check=True)
    return json.loads(done.stdout)


def test_a_run_whose_message_dies_twice_ends_and_what_cannot_be_read_is_told_once(mortal: Mortal) -> None:
    mortal.send("neither JSON nor ours")
    run = mortal.queued_run()

    def has_ended() -> bool:
        mortal.receive()
        return bool(mortal.asking.job(run["job_id"])["state"] == "done")

    until(has_ended, "its message died twice")
    (ended,) = mortal.asking.ended(run["job_id"])
    assert (ended["state"], ended["cause"], ended["trials"]) == ("errored", "delivery_exhausted", [])
    until(lambda: "neither JSON nor ours" in mortal.asking.stack.log("server"), "it was told")
    assert mortal.asking.stack.log("server").count("neither JSON nor ours") == 1
    until(lambda: all(queue["dead_letters"] == 0 for queue in queues(mortal)), "no letter lies there")
    assert flotilla(mortal.asking, "queue", "list")["items"] == queues(mortal)


def test_a_dead_letter_comes_back_before_the_stack_itself_looks_at_it(mortal: Mortal) -> None:
    moved: list[str] = []

    def was_moved() -> bool:
        """Whether this call, and not the stack's own look at dead letters, found the letter."""
        run_id = mortal.queued_run()["id"]
        mortal.queue.dead_letters.send(NORMAL, [run_id], group="t")
        answer = mortal.asking.http.post("/v1/queues/redrive", json={"priority": "normal"})
        assert answer.status_code == 200
        moved.extend([run_id] * answer.json()["items"][0]["moved"])
        return bool(moved)

    until(was_moved, "a dead letter was brought back")
    received = mortal.queue.receive(NORMAL, most=10, wait_seconds=5, visibility_seconds=0)
    assert moved[0] in {message.run_id for message in received.messages}
    items = flotilla(mortal.asking, "queue", "redrive")["items"]
    assert [(item["priority"], item["remaining"]) for item in items] == [("high", 0), ("normal", 0)]


def queues(mortal: Mortal) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = mortal.asking.http.get("/v1/queues").json()["items"]
    return items
