"""The endpoint as a process: clients that vanish, polls that are open when it stops, a parent that dies."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from flotilla.queue import Depth, RunQueue, sqs_client
from flotilla.states import Priority
from tests.conftest import StartSqs

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NORMAL = Priority.NORMAL


@pytest.fixture
def client(sqs_url: str) -> "Iterator[SQSClient]":
    made = sqs_client(endpoint_url=sqs_url, region="us-east-1")
    yield made
    made.close()


@pytest.fixture
def url(client: "SQSClient") -> str:
    return client.create_queue(QueueName=f"runs-{uuid.uuid4().hex}")["QueueUrl"]


@pytest.fixture
def queue(client: "SQSClient", url: str) -> RunQueue:
    return RunQueue(client, urls={NORMAL: url})


def open_poll(queue_url: str, *, wait_seconds: int = 20) -> socket.socket:
    """A long poll by hand, so that the test can cut its connection."""
    address = urlsplit(queue_url)
    assert address.hostname is not None
    body = json.dumps({"QueueUrl": queue_url, "WaitTimeSeconds": wait_seconds, "MaxNumberOfMessages": 10})
    head = f"POST / HTTP/1.1\r\nHost: {address.netloc}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=25)
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    with connection, connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        length = 0
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            length = int(value) if name == b"content-length" else length
        return status, json.loads(stream.read(length))


def receive(queue: RunQueue, *, wait: int = 5, most: int = 10) -> list[str]:
    received = queue.receive(NORMAL, most=most, wait_seconds=wait, visibility_seconds=60)
    return [message.run_id for message in received.messages]


def test_no_message_is_handed_to_a_poll_whose_client_has_gone(queue: RunQueue, url: str) -> None:
    gone = [open_poll(url) for _ in range(5)]
    for connection in gone:
        connection.close()
    queue.depth(NORMAL)  # answered by the same loop, after it has seen the connections close
    queue.send(NORMAL, ["run_a"], group="tenant")
    assert queue.depth(NORMAL) == Depth(visible=1, in_flight=0, delayed=0)
    assert receive(queue) == ["run_a"]


def test_polls_that_wait_together_each_get_one_of_the_messages_that_come(queue: RunQueue) -> None:
    sent = [f"run_{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(receive, queue, wait=20, most=1) for _ in sent]
        for run_id in sent:
            queue.send(NORMAL, [run_id], group="tenant")
        assert sorted(run_id for poll in waiting for run_id in poll.result(timeout=10)) == sent


def test_deleting_a_queue_ends_the_polls_that_wait_at_it(client: "SQSClient", url: str) -> None:
    connection = open_poll(url)
    client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    client.delete_queue(QueueUrl=url)
    assert answer_of(connection) == (200, {})


def test_a_long_poll_at_the_limit_in_flight_waits_and_a_short_one_is_refused(start_sqs: Any) -> None:
    with start_sqs("--in-flight-limit", "1") as sqs, closing(sqs_client(endpoint_url=sqs.url, region="x")) as client:
        url = client.create_queue(QueueName="runs")["QueueUrl"]
        queue = RunQueue(client, urls={NORMAL: url})
        queue.send(NORMAL, ["run_a", "run_b"], group="tenant")
        (first,) = queue.receive(NORMAL, most=10, wait_seconds=0, visibility_seconds=60).messages
        assert receive(queue, wait=1) == []
        with pytest.raises(client.exceptions.OverLimit):
            client.receive_message(QueueUrl=url)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(receive, queue, wait=20)
            queue.delete([first])
            assert waiting.result(timeout=10) == ["run_b"]


def test_sigterm_ends_open_polls_with_nothing_and_the_process_within_a_second(start_sqs: Any) -> None:
    with start_sqs() as sqs:
        with closing(sqs_client(endpoint_url=sqs.url, region="us-east-1")) as client:
            url = client.create_queue(QueueName="runs")["QueueUrl"]
            polls = [open_poll(url) for _ in range(20)]
            client.list_queues()
        began = time.monotonic()
        sqs.process.send_signal(signal.SIGTERM)
        assert sqs.process.wait(5) == 0
        assert time.monotonic() - began < 1
        assert [answer_of(poll) for poll in polls] == [(200, {})] * 20


def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    script = (
        "import subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-m', 'flotilla.local.sqs', '--port', '0', '--die-with-parent']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline().startswith("ready ")
        end_of_child = os.pidfd_open(child)
        parent.kill()
    try:
        ready, _, _ = select.select([end_of_child], [], [], 5)
    finally:
        os.close(end_of_child)
    assert ready


@pytest.mark.parametrize(
    ("headers", "body", "kind"),
    [
        ({}, "{}", "UnsupportedOperation"),
        ({"x-amz-target": "DynamoDB.Scan"}, "{}", "UnsupportedOperation"),
        ({"x-amz-target": "AmazonSQS.CreateQueue"}, "no json", "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.CreateQueue"}, "[]", "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.CreateQueue"}, "{}", "MissingParameter"),
        ({"x-amz-target": "AmazonSQS.CreateQueue"}, '{"QueueName": 7}', "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.CreateQueue"}, '{"QueueName": "a.fifo"}', "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.CreateQueue"}, '{"QueueName": "a", "Attributes": 1}', "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.SendMessageBatch"}, '{"QueueUrl": "URL", "Entries": 1}', "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.SendMessage"}, '{"QueueUrl": "URL", "MessageBody": "\\u0000"}',
         "InvalidMessageContents"),
        ({"x-amz-target": "AmazonSQS.ReceiveMessage"}, '{"QueueUrl": "URL", "AttributeNames": 1}',
         "InvalidParameterValue"),
        ({"x-amz-target": "AmazonSQS.ReceiveMessage"}, '{"QueueUrl": "URL", "WaitTimeSeconds": 21}',
         "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_a_malformed_request_is_answered_with_its_error(
    url: str, headers: dict[str, str], body: str, kind: str
) -> None:
    address = urlsplit(url)
    answer = httpx.post(f"http://{address.netloc}/", headers=headers, content=body.replace("URL", url))
    assert (answer.status_code, answer.json()["__type"]) == (400, f"com.amazonaws.sqs#{kind}")


def _makes_a_queue(url: str, *, access_key: str | None) -> bool:
    with closing(sqs_client(endpoint_url=url, region="us-east-1", access_key=access_key)) as client:
        try:
            client.create_queue(QueueName="runs")
        except ClientError as fault:
            assert fault.response["Error"]["Code"] == "InvalidClientTokenId"
            return False
        return True


def test_an_endpoint_with_an_access_key_answers_nobody_else(
    start_sqs: StartSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOTILLA_SQS_ACCESS_KEY", "known-to-the-stack-alone")
    with start_sqs() as sqs:
        assert [_makes_a_queue(sqs.url, access_key=key) for key in (None, "guessed")] == [False, False]
        assert _makes_a_queue(sqs.url, access_key="known-to-the-stack-alone")
        assert httpx.get(f"{sqs.url}/_faults", trust_env=False).status_code == 403


def test_queues_that_are_named_at_the_start_are_there_before_the_first_request(start_sqs: StartSqs) -> None:
    with (
        start_sqs("--queue", "plain", "--queue", "runs=runs-dead:7") as sqs,
        closing(sqs_client(endpoint_url=sqs.url, region="us-east-1")) as client,
    ):
        urls = {name: client.get_queue_url(QueueName=name)["QueueUrl"] for name in ("plain", "runs", "runs-dead")}
        known = client.get_queue_attributes(QueueUrl=urls["runs"], AttributeNames=["RedrivePolicy"])["Attributes"]
        dead = client.get_queue_attributes(QueueUrl=urls["runs-dead"], AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": "7"}
    assert json.loads(known["RedrivePolicy"]) == policy
