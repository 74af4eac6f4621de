"""What the fleet relies on in its queue, asked of our endpoint and of two emulators by others, through one client."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from flotilla.queue import Depth, Message, QueueUnavailable, RunQueue, sqs_client
from flotilla.states import Priority
from tests.flotilla.conftest import Deviation
from tests.run_queues import RunQueues

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

KNOWN_DEVIATIONS = {
    ("moto", "test_an_old_receipt_neither_hides_nor_shows_what_another_received"): Deviation(
        reason="moto lets any receipt ever given change the visibility of a message"
    ),
    ("moto", "test_an_old_receipt_does_not_delete_what_another_received"): Deviation(
        reason="moto lets any receipt ever given delete a message; SQS only says that it might not be deleted"
    ),
    ("moto", "test_sixteen_receivers_at_once_receive_no_message_twice"): Deviation(
        reason="moto takes no lock while it receives, so that two receivers may get one message", always=False
    ),
}

NORMAL, HIGH = Priority.NORMAL, Priority.HIGH


def receive(queue: RunQueue, *, wait: int = 5, visibility: int = 60, most: int = 10) -> tuple[Message, ...]:
    received = queue.receive(NORMAL, most=most, wait_seconds=wait, visibility_seconds=visibility)
    assert received.unreadable == ()
    return received.messages


def receive_one(queue: RunQueue, *, wait: int = 5, visibility: int = 60) -> Message:
    (message,) = receive(queue, wait=wait, visibility=visibility)
    return message


def receive_until_empty(queue: RunQueue) -> list[Message]:
    return list(chain.from_iterable(iter(lambda: receive(queue, wait=1), ())))


def run_ids(count: int) -> list[str]:
    return [f"run_{number}" for number in range(count)]


def received_by_sixteen(queue: RunQueue, *, sent: list[str]) -> Counter[str]:
    queue.send(NORMAL, sent, group="tenant")
    with ThreadPoolExecutor(16) as pool:
        received = chain.from_iterable(pool.map(lambda _: receive_until_empty(queue), range(16)))
        return Counter(message.run_id for message in received)


@pytest.fixture
def mortal(any_client: "SQSClient", queue_name: str) -> RunQueue:
    """Queues whose messages die when they were received twice."""
    return RunQueues.made(any_client, name=queue_name, most_receives=2).queue


def test_a_run_that_was_sent_is_received_with_its_times(any_queue: RunQueue) -> None:
    assert any_queue.send(NORMAL, ["run_a"], group="tenant") == ["run_a"]
    message = receive_one(any_queue)
    assert (message.run_id, message.queue, message.receive_count) == ("run_a", NORMAL, 1)
    assert abs(datetime.now(UTC) - message.sent_at) < timedelta(seconds=30)
    assert message.first_received_at >= message.sent_at


def test_more_runs_than_a_batch_holds_are_all_sent_and_received_once(any_queue: RunQueue) -> None:
    sent = run_ids(25)
    assert any_queue.send(NORMAL, sent, group="tenant") == sent
    assert sorted(message.run_id for message in receive_until_empty(any_queue)) == sorted(sent)


def test_sixteen_receivers_at_once_share_the_messages_and_lose_none(any_queue: RunQueue) -> None:
    assert received_by_sixteen(any_queue, sent=run_ids(200)).keys() == set(run_ids(200))


def test_sixteen_receivers_at_once_receive_no_message_twice(any_queue: RunQueue) -> None:
    assert set(received_by_sixteen(any_queue, sent=run_ids(200)).values()) == {1}


def test_the_two_priorities_are_two_queues(any_queue: RunQueue) -> None:
    any_queue.send(HIGH, ["run_high"], group="tenant")
    any_queue.send(NORMAL, ["run_normal"], group="tenant")
    high = any_queue.receive(HIGH, most=10, wait_seconds=5, visibility_seconds=60).messages
    normal = receive(any_queue)
    assert [message.run_id for message in high + normal] == ["run_high", "run_normal"]
    assert any_queue.hide(dict.fromkeys(high + normal, 60)) == []
    assert any_queue.delete(high + normal) == []
    assert any_queue.depth(HIGH) == any_queue.depth(NORMAL) == Depth(visible=0, in_flight=0, delayed=0)


def test_no_more_messages_come_than_were_asked_for(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, run_ids(5), group="tenant")
    assert len(receive(any_queue, most=3)) == 3


def test_a_message_is_the_run_and_nothing_else_under_its_tenants_group(
    any_client: "SQSClient", any_queue: RunQueue, urls: dict[Priority, str]
) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant-7")
    answer = any_client.receive_message(QueueUrl=urls[NORMAL], MessageSystemAttributeNames=["All"], WaitTimeSeconds=5)
    (message,) = answer["Messages"]
    assert json.loads(message["Body"]) == {"run_id": "run_a"}
    assert message["Attributes"]["MessageGroupId"] == "tenant-7"


def test_unreadable_messages_do_not_hide_the_good_ones(
    any_client: "SQSClient", any_queue: RunQueue, urls: dict[Priority, str]
) -> None:
    bodies = ["no json", "[]", "{}", '{"run_id": 7}', '{"run_id": "run_b", "more": 1}']
    for body in bodies:
        any_client.send_message(QueueUrl=urls[NORMAL], MessageBody=body)
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    received = any_queue.receive(NORMAL, most=10, wait_seconds=5, visibility_seconds=60)
    assert [message.run_id for message in received.messages] == ["run_a"]
    assert sorted(message.body for message in received.unreadable) == sorted(bodies)
    assert any_queue.delete(received.unreadable) == []
    assert any_queue.depth(NORMAL).in_flight == 1


def test_a_received_message_is_hidden_and_comes_again_when_its_time_is_over(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    first = receive_one(any_queue, visibility=1)
    assert receive(any_queue, wait=0) == ()
    second = receive_one(any_queue)
    assert second.receive_count == 2
    assert second.receipt != first.receipt
    assert second.first_received_at == first.first_received_at


def test_hiding_a_message_keeps_it_hidden_beyond_its_first_time(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    message = receive_one(any_queue, visibility=1)
    assert any_queue.hide({message: 60}) == []
    assert receive(any_queue, wait=2) == ()


def test_hiding_a_message_for_no_time_shows_it_at_once(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    message = receive_one(any_queue)
    assert any_queue.hide({message: 0}) == []
    assert receive_one(any_queue, wait=0).run_id == "run_a"


def test_more_messages_than_a_batch_holds_are_hidden_and_deleted(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, run_ids(25), group="tenant")
    messages = receive_until_empty(any_queue)
    assert any_queue.hide(dict.fromkeys(messages, 60)) == []
    assert any_queue.delete(messages) == []
    assert any_queue.depth(NORMAL) == Depth(visible=0, in_flight=0, delayed=0)


def test_to_hide_what_is_gone_is_refused_and_harmless(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, run_ids(2), group="tenant")
    gone, kept = receive(any_queue)
    any_queue.delete([gone])
    (refused,) = any_queue.hide({gone: 60, kept: 60})
    assert (refused.message, refused.gone) == (gone, True)


def test_an_old_receipt_neither_hides_nor_shows_what_another_received(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    old = receive_one(any_queue, visibility=1)
    new = receive_one(any_queue)
    (refused,) = any_queue.hide({old: 0})
    assert refused.gone
    assert receive(any_queue, wait=0) == ()
    assert any_queue.hide({new: 60}) == []


def test_a_deleted_message_does_not_come_again(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    message = receive_one(any_queue, visibility=1)
    assert any_queue.delete([message]) == []
    assert receive(any_queue, wait=2) == ()


def test_to_delete_what_is_gone_is_no_failure(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    message = receive_one(any_queue)
    assert any_queue.delete([message]) == []
    assert any_queue.delete([message]) == []


def test_an_old_receipt_does_not_delete_what_another_received(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    old = receive_one(any_queue, visibility=1)
    new = receive_one(any_queue)
    assert any_queue.delete([old]) == []
    assert any_queue.hide({new: 0}) == []
    assert receive_one(any_queue, wait=0).run_id == "run_a"


def test_a_long_poll_wakes_when_a_message_is_sent(any_queue: RunQueue) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(receive, any_queue, wait=20)
        began = time.monotonic()
        any_queue.send(NORMAL, ["run_a"], group="tenant")
        (message,) = waiting.result(timeout=20)
    assert message.run_id == "run_a"
    assert time.monotonic() - began < 5


def test_a_long_poll_wakes_when_a_hidden_message_returns(any_queue: RunQueue) -> None:
    any_queue.send(NORMAL, ["run_a"], group="tenant")
    receive_one(any_queue, visibility=1)
    began = time.monotonic()
    assert receive_one(any_queue, wait=20).receive_count == 2
    assert time.monotonic() - began < 5


def test_a_long_poll_on_an_empty_queue_brings_nothing_when_its_time_is_over(any_queue: RunQueue) -> None:
    began = time.monotonic()
    assert receive(any_queue, wait=1) == ()
    assert 0.9 < time.monotonic() - began < 5


def test_the_depth_counts_what_is_visible_in_flight_and_delayed(
    any_client: "SQSClient", any_queue: RunQueue, urls: dict[Priority, str]
) -> None:
    any_queue.send(NORMAL, run_ids(5), group="tenant")
    assert len(receive(any_queue, most=2)) == 2
    any_client.send_message(QueueUrl=urls[NORMAL], MessageBody="later", DelaySeconds=60)
    assert any_queue.depth(NORMAL) == Depth(visible=3, in_flight=2, delayed=1)


def received_too_often(queue: RunQueue) -> Message:
    """Lets the one message die that lies there; its last delivery."""
    for count in (1, 2):
        message = receive_one(queue)
        assert message.receive_count == count
        queue.hide({message: 0})
    assert receive(queue, wait=1) == ()
    return message


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(mortal: RunQueue) -> None:
    mortal.send(NORMAL, ["run_a"], group="tenant")
    message = received_too_often(mortal)
    assert mortal.depth(NORMAL) == Depth(visible=0, in_flight=0, delayed=0)
    assert mortal.dead_letters.depth(NORMAL) == Depth(visible=1, in_flight=0, delayed=0)
    buried = receive_one(mortal.dead_letters)
    assert (buried.run_id, buried.sent_at) == ("run_a", message.sent_at)
    assert mortal.dead_letters.depth(NORMAL) == Depth(visible=0, in_flight=1, delayed=0)
    assert mortal.dead_letters.depth(HIGH) == Depth(visible=0, in_flight=0, delayed=0)


def test_a_dead_letter_that_is_not_deleted_comes_again_and_a_deleted_one_does_not(mortal: RunQueue) -> None:
    mortal.send(NORMAL, ["run_a"], group="tenant")
    received_too_often(mortal)
    receive_one(mortal.dead_letters, visibility=1)
    letter = receive_one(mortal.dead_letters, visibility=1)
    assert mortal.dead_letters.delete([letter]) == []
    assert receive(mortal.dead_letters, wait=2) == ()


def test_a_run_whose_message_is_dead_can_be_sent_again_and_lives(mortal: RunQueue) -> None:
    mortal.send(NORMAL, ["run_a"], group="tenant")
    received_too_often(mortal)
    letter = receive_one(mortal.dead_letters)
    assert mortal.send(NORMAL, [letter.run_id], group="tenant") == ["run_a"]
    mortal.dead_letters.delete([letter])
    assert receive_one(mortal).receive_count == 1


def test_what_cannot_be_read_dies_as_well_and_can_be_deleted(any_client: "SQSClient", queue_name: str) -> None:
    queues = RunQueues.made(any_client, name=queue_name, most_receives=1)
    any_client.send_message(QueueUrl=queues.urls[NORMAL], MessageBody="no json")
    (alive,) = queues.queue.receive(NORMAL, most=1, wait_seconds=5, visibility_seconds=1).unreadable
    until_dead = queues.queue.receive(NORMAL, most=1, wait_seconds=3, visibility_seconds=1)
    assert until_dead.unreadable == ()
    (dead,) = queues.queue.dead_letters.receive(NORMAL, most=1, wait_seconds=5, visibility_seconds=60).unreadable
    assert (dead.body, dead.message_id) == ("no json", alive.message_id)
    assert queues.queue.dead_letters.delete([dead]) == []
    assert queues.dead() == 0


def test_a_queue_that_is_not_there_is_named_queue_unavailable(any_queue: RunQueue) -> None:
    with pytest.raises(QueueUnavailable):  # these have no dead-letter queues
        any_queue.dead_letters.depth(NORMAL)


def test_an_endpoint_that_does_not_answer_is_named_queue_unavailable() -> None:
    client = sqs_client(endpoint_url="http://127.0.0.1:9", region="us-east-1")
    queue = RunQueue(client, urls={NORMAL: "http://127.0.0.1:9/0/runs"})
    with pytest.raises(QueueUnavailable, match="cannot be reached"):
        queue.send(NORMAL, ["run_a"], group="tenant")
    client.close()
