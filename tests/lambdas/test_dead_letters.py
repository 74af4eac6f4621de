"""Dead letters as SQS brings them: waiting runs go out anew, others are left alone, unreadable ones are reported."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from sqlalchemy import Engine

from flotilla.causes import Cause
from flotilla.metrics import NAMESPACE, Metric
from flotilla.queue import sqs_client
from flotilla.states import RunState
from flotilla.store.dispatching import mark_sent
from lambdas import dead_letters as function
from tests.aws_group import REGION
from tests.flotilla.fleet import Fleet

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONG_AGO = 1_700_000_000_000
LATER = 4_000_000_000_000


@pytest.fixture
def sqs(aws_environment: pytest.MonkeyPatch, moto_url: str) -> "SQSClient":
    return sqs_client(endpoint_url=moto_url, region=REGION, access_key="key")


@pytest.fixture
def queue_url(sqs: "SQSClient") -> str:
    return sqs.create_queue(QueueName=f"runs-{uuid4().hex}")["QueueUrl"]


@pytest.fixture
def stage(aws_environment: pytest.MonkeyPatch, engine: Engine, database_url: str, queue_url: str) -> Iterator[str]:
    """The function's variables; it is cold at the beginning."""
    stage = f"stage-{uuid4().hex}"
    for name, value in {
        "FLOTILLA_DATABASE_URL": database_url,
        "FLOTILLA_QUEUE_URL": queue_url,
        "FLOTILLA_QUEUE_HIGH_URL": queue_url,
        "FLOTILLA_STAGE": stage,
    }.items():
        aws_environment.setenv(name, value)
    function.office.cache_clear()
    yield stage
    function.office().engine.dispose()
    function.office.cache_clear()


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    return Fleet(engine)


def _event(*bodies: str, sent_at: int = LONG_AGO) -> dict[str, Any]:
    records = [
        {"messageId": f"message-{number}", "body": body, "attributes": {"SentTimestamp": str(sent_at)}}
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def _letter(run_id: str) -> str:
    return json.dumps({"run_id": run_id})


def _received(sqs: "SQSClient", queue_url: str) -> list[str]:
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=600)
    return [json.loads(message["Body"])["run_id"] for message in answer.get("Messages", [])]


def _queued(fleet: Fleet) -> str:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    return run_id


def test_a_waiting_run_is_sent_anew_and_ends_only_when_that_repeats(
    stage: str, fleet: Fleet, sqs: "SQSClient", queue_url: str
) -> None:
    run_id = _queued(fleet)
    assert function.handler(_event(_letter(run_id)), None) == {"batchItemFailures": []}
    assert _received(sqs, queue_url) == [run_id]
    assert fleet.row(run_id).state == RunState.QUEUED
    function.handler(_event(_letter(run_id), sent_at=LATER), None)
    assert (fleet.row(run_id).state, fleet.row(run_id).cause) == (RunState.ERRORED, Cause.DELIVERY_EXHAUSTED)
    assert _received(sqs, queue_url) == []


def test_a_running_run_is_left_alone(stage: str, fleet: Fleet, sqs: "SQSClient", queue_url: str) -> None:
    run_id = _queued(fleet)
    fleet.claimed(run_id, fleet.worker())
    assert function.handler(_event(_letter(run_id)), None) == {"batchItemFailures": []}
    assert fleet.row(run_id).state == RunState.RUNNING
    assert _received(sqs, queue_url) == []


def test_what_cannot_be_read_is_reported_and_holds_up_nobody(
    stage: str, fleet: Fleet, sqs: "SQSClient", queue_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = _queued(fleet)
    event = _event("no JSON", _letter(run_id), '{"run": 1}')
    assert function.handler(event, None) == {"batchItemFailures": []}
    assert _received(sqs, queue_url) == [run_id]
    assert "message-0" in caplog.text
    assert "message-2" in caplog.text
    found = boto3.client("cloudwatch").list_metrics(
        Namespace=NAMESPACE,
        MetricName=Metric.UNREADABLE_LETTERS,
        Dimensions=[{"Name": "Stage", "Value": stage}],
    )
    assert len(found["Metrics"]) >= 1


@pytest.fixture
def without_database(stage: str, aws_environment: pytest.MonkeyPatch) -> Callable[[], None]:
    def cut() -> None:
        aws_environment.setenv("FLOTILLA_DATABASE_URL", "postgresql+psycopg://user@127.0.0.1:1/nowhere")
        function.office.cache_clear()

    return cut


def test_what_cannot_be_settled_now_comes_again(fleet: Fleet, without_database: Callable[[], None]) -> None:
    run_id = _queued(fleet)
    without_database()
    answer = function.handler(_event(_letter(run_id)), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
