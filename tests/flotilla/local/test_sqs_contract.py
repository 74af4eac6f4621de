"""The protocol as boto3 speaks it: attributes, digests and refusals, asked of our endpoint and of two emulators."""

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from flotilla.queue import Depth, QueueUnavailable, RunQueue
from flotilla.states import Priority
from tests.flotilla.conftest import Deviation

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

KNOWN_DEVIATIONS = {
    ("ministack", "test_visibility_cannot_be_asked_for_beyond_twelve_hours"): Deviation(
        reason="ministack does not check the visibility that a receive asks for"
    ),
}

NORMAL = Priority.NORMAL


def test_a_delayed_message_comes_when_its_delay_is_over(
    any_client: "SQSClient", any_queue: RunQueue, urls: dict[Priority, str]
) -> None:
    any_client.send_message(QueueUrl=urls[NORMAL], MessageBody='{"run_id": "run_a"}', DelaySeconds=1)
    assert any_queue.receive(NORMAL, most=1, wait_seconds=0, visibility_seconds=60).messages == ()
    (message,) = any_queue.receive(NORMAL, most=1, wait_seconds=5, visibility_seconds=60).messages
    assert message.run_id == "run_a"


def test_a_purged_queue_is_empty(any_client: "SQSClient", any_queue: RunQueue, urls: dict[Priority, str]) -> None:
    any_queue.send(NORMAL, ["run_a", "run_b", "run_c"], group="tenant")
    any_queue.receive(NORMAL, most=1, wait_seconds=5, visibility_seconds=60)
    any_client.purge_queue(QueueUrl=urls[NORMAL])
    assert any_queue.depth(NORMAL) == Depth(visible=0, in_flight=0, delayed=0)


def test_message_attributes_come_back_with_the_digest_that_they_were_sent_with(
    any_client: "SQSClient", urls: dict[Priority, str]
) -> None:
    sent = any_client.send_message(
        QueueUrl=urls[NORMAL],
        MessageBody="ünï",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "ä"},
            "number": {"DataType": "Number", "StringValue": "7"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    answer = any_client.receive_message(QueueUrl=urls[NORMAL], MessageAttributeNames=["All"], WaitTimeSeconds=5)
    (message,) = answer["Messages"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == "3241a66fd412a38b61bb6f5a732e1a29"
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["bytes"]["BinaryValue"] == b"\x00\xff"


def test_a_queue_can_be_created_again_only_as_it_is(any_client: "SQSClient", queue_name: str) -> None:
    url = any_client.create_queue(QueueName=queue_name, Attributes={"VisibilityTimeout": "90"})["QueueUrl"]
    assert any_client.create_queue(QueueName=queue_name, Attributes={"VisibilityTimeout": "90"})["QueueUrl"] == url
    assert any_client.get_queue_url(QueueName=queue_name)["QueueUrl"] == url
    with pytest.raises(any_client.exceptions.QueueNameExists):
        any_client.create_queue(QueueName=queue_name, Attributes={"VisibilityTimeout": "30"})


def test_attributes_that_are_set_are_shown(any_client: "SQSClient", urls: dict[Priority, str]) -> None:
    any_client.set_queue_attributes(QueueUrl=urls[NORMAL], Attributes={"VisibilityTimeout": "77"})
    shown = any_client.get_queue_attributes(QueueUrl=urls[NORMAL], AttributeNames=["All"])["Attributes"]
    assert (shown["VisibilityTimeout"], shown["MessageRetentionPeriod"]) == ("77", "345600")
    assert shown["QueueArn"].endswith(urls[NORMAL].rsplit("/", maxsplit=1)[-1])


def test_a_queue_that_is_not_there_is_named_so(
    any_client: "SQSClient", any_queue: RunQueue, urls: dict[Priority, str]
) -> None:
    any_client.delete_queue(QueueUrl=urls[NORMAL])
    with pytest.raises(QueueUnavailable, match="does not exist"):
        any_queue.depth(NORMAL)
    with pytest.raises(any_client.exceptions.QueueDoesNotExist) as raised:
        any_client.get_queue_url(QueueName="never-made")
    assert raised.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_a_receipt_that_was_never_given_is_invalid(any_client: "SQSClient", urls: dict[Priority, str]) -> None:
    with pytest.raises(any_client.exceptions.ReceiptHandleIsInvalid):
        any_client.change_message_visibility(QueueUrl=urls[NORMAL], ReceiptHandle="nonsense", VisibilityTimeout=1)


def test_a_batch_holds_one_to_ten_entries_with_distinct_ids(any_client: "SQSClient", urls: dict[Priority, str]) -> None:
    def send(*ids: str) -> None:
        any_client.send_message_batch(
            QueueUrl=urls[NORMAL], Entries=[{"Id": entry_id, "MessageBody": "x"} for entry_id in ids]
        )

    with pytest.raises(any_client.exceptions.EmptyBatchRequest):
        send()
    with pytest.raises(any_client.exceptions.TooManyEntriesInBatchRequest):
        send(*"abcdefghijk")
    with pytest.raises(any_client.exceptions.BatchEntryIdsNotDistinct):
        send("a", "a")
    with pytest.raises(any_client.exceptions.InvalidBatchEntryId):
        send("not an id")


def test_a_message_of_more_than_a_mebibyte_is_refused(any_client: "SQSClient", urls: dict[Priority, str]) -> None:
    any_client.send_message(QueueUrl=urls[NORMAL], MessageBody="x" * 1_048_576)
    with pytest.raises(ClientError) as raised:
        any_client.send_message(QueueUrl=urls[NORMAL], MessageBody="x" * 1_048_577)
    assert raised.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_visibility_cannot_be_asked_for_beyond_twelve_hours(any_client: "SQSClient", any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    with pytest.raises(ClientError) as raised:
        any_queue.receive(NORMAL, most=1, wait_seconds=0, visibility_seconds=43_201)
    assert raised.value.response["Error"]["Code"] == "InvalidParameterValue"
