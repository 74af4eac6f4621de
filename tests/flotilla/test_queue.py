"""What the queue client makes of answers that a healthy endpoint never gives."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from flotilla.queue import Message, QueueUnavailable, Refused, RunQueue, sqs_client
from flotilla.states import Priority

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "http://127.0.0.1/000000000000/runs"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
MESSAGE = Message(
    run_id="run_a", receipt="r", queue=Priority.NORMAL, sent_at=NOW, first_received_at=NOW, receive_count=1
)


@pytest.fixture
def client() -> "Iterator[SQSClient]":
    made = sqs_client(endpoint_url="http://127.0.0.1", region="us-east-1")
    yield made
    made.close()


@pytest.fixture
def answers(client: "SQSClient") -> Iterator[Stubber]:
    """The answers of the queue, in order; the test fails if one was not asked for."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def queue(client: "SQSClient") -> RunQueue:
    return RunQueue(client, urls={Priority.NORMAL: URL}, senders=1)  # the answers below are in order


def accepted(*places: int) -> list[dict[str, Any]]:
    return [{"Id": str(place), "MessageId": "m", "MD5OfMessageBody": "0"} for place in places]


def failed(place: int, *, code: str, senders_fault: bool) -> dict[str, Any]:
    return {"Id": str(place), "Code": code, "SenderFault": senders_fault, "Message": "said SQS"}


def test_what_sqs_itself_failed_at_is_sent_once_more(answers: Stubber, queue: RunQueue) -> None:
    fault = failed(1, code="InternalError", senders_fault=False)
    answers.add_response("send_message_batch", {"Successful": accepted(0, 2), "Failed": [fault]})
    answers.add_response("send_message_batch", {"Successful": accepted(0), "Failed": []})
    assert queue.send(Priority.NORMAL, ["run_a", "run_b", "run_c"], group="t") == ["run_a", "run_b", "run_c"]


def test_what_fails_twice_is_left_out_and_logged(
    answers: Stubber, queue: RunQueue, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (failed(place, code="InternalError", senders_fault=False) for place in (1, 0))
    answers.add_response("send_message_batch", {"Successful": accepted(0), "Failed": [first]})
    answers.add_response("send_message_batch", {"Successful": [], "Failed": [second]})
    with caplog.at_level(logging.ERROR):
        assert queue.send(Priority.NORMAL, ["run_a", "run_b"], group="t") == ["run_a"]
    assert "run_b was not accepted: InternalError said SQS" in caplog.text


def test_what_the_sender_did_wrong_is_not_sent_again(answers: Stubber, queue: RunQueue) -> None:
    fault = failed(0, code="InvalidMessageContents", senders_fault=True)
    answers.add_response("send_message_batch", {"Successful": accepted(1), "Failed": [fault]})
    assert queue.send(Priority.NORMAL, ["run_a", "run_b"], group="t") == ["run_b"]


def test_what_was_accepted_before_the_queue_fell_silent_is_told(
    answers: Stubber, queue: RunQueue, caplog: pytest.LogCaptureFixture
) -> None:
    run_ids = [f"run_{number}" for number in range(25)]
    answers.add_response("send_message_batch", {"Successful": accepted(*range(10)), "Failed": []})
    answers.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)
    assert queue.send(Priority.NORMAL, run_ids, group="t") == run_ids[:10]
    assert "15 of 25 messages were not sent" in caplog.text


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalError", 500),
        ("RequestThrottled", 400),
        ("OverLimit", 403),
        ("AWS.SimpleQueueService.NonExistentQueue", 400),
    ],
)
def test_what_time_mends_is_named_queue_unavailable(answers: Stubber, queue: RunQueue, code: str, status: int) -> None:
    answers.add_client_error("send_message_batch", code, http_status_code=status)
    with pytest.raises(QueueUnavailable, match=code):
        queue.send(Priority.NORMAL, ["run_a"], group="t")


def test_what_time_does_not_mend_is_raised_as_it_is(answers: Stubber, queue: RunQueue) -> None:
    answers.add_client_error("get_queue_attributes", "AccessDenied", http_status_code=403)
    with pytest.raises(ClientError, match="AccessDenied"):
        queue.depth(Priority.NORMAL)


@pytest.mark.parametrize(
    ("code", "senders_fault", "gone"),
    [
        ("AWS.SimpleQueueService.MessageNotInflight", True, True),
        ("InvalidParameterValue", True, True),
        ("ReceiptHandleIsInvalid", True, True),
        ("InternalError", False, False),
        ("AccessDenied", True, False),
    ],
)
def test_a_message_that_is_gone_is_told_apart_from_one_that_could_not_be_hidden(
    answers: Stubber, queue: RunQueue, code: str, senders_fault: bool, gone: bool
) -> None:
    fault = failed(0, code=code, senders_fault=senders_fault)
    answers.add_response("change_message_visibility_batch", {"Successful": [], "Failed": [fault]})
    assert queue.hide({MESSAGE: 90}) == [Refused(message=MESSAGE, gone=gone, fault=f"{code}: said SQS")]


def test_nothing_is_asked_of_the_queue_for_no_messages(answers: Stubber, queue: RunQueue) -> None:
    assert queue.send(Priority.NORMAL, [], group="t") == []
    assert queue.hide({}) == queue.delete([]) == []
