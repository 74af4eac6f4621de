"""The misfortunes: they happen when asked for, the same way each time, and they lose nothing."""

from collections import Counter
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from flotilla.local.sqs.account import Account
from flotilla.local.sqs.faults import FaultInjector, Faults, Outage
from flotilla.local.sqs.messages import Letter
from flotilla.queue import QueueUnavailable, RunQueue, sqs_client
from flotilla.states import Priority


def deliveries_until_all_are_deleted(faults: Faults, *, count: int) -> list[str]:
    """What two consumers see in order, who take turns and then delete what they have."""
    now = 0.0
    account = Account(clock=lambda: now, injector=FaultInjector(faults))
    queue = account.create("runs", {})
    for number in range(count):
        queue.send(Letter(body=str(number), attributes={}, group=None), delay=0)
    seen: list[str] = []
    while queue.depth().in_flight or queue.depth().visible or queue.depth().delayed:
        deliveries = queue.receive(most=10, seconds=30)
        seen += (delivery.message.letter.body for delivery in deliveries)
        again = queue.receive(most=10, seconds=30)
        seen += (delivery.message.letter.body for delivery in again)
        for delivery in [*deliveries, *again]:
            queue.delete(delivery.receipt)
        now += 1
    return seen


def test_without_faults_every_message_comes_once_in_order() -> None:
    assert deliveries_until_all_are_deleted(Faults(), count=100) == [str(number) for number in range(100)]


def test_duplicates_happen_and_nothing_is_lost() -> None:
    seen = Counter(deliveries_until_all_are_deleted(Faults(duplicate=0.3, seed=7), count=500))
    assert len(seen) == 500
    assert 50 < sum(1 for times in seen.values() if times > 1) < 450


def test_disorder_happens_and_nothing_is_lost() -> None:
    seen = deliveries_until_all_are_deleted(Faults(reorder=True, seed=7), count=500)
    assert sorted(map(int, seen)) == list(range(500))
    assert [int(body) for body in seen] != list(range(500))


def test_late_messages_come_in_the_end() -> None:
    seen = deliveries_until_all_are_deleted(Faults(delay=20.0, seed=7), count=500)
    assert sorted(map(int, seen)) == list(range(500))
    assert [int(body) for body in seen] != list(range(500))


def test_the_same_seed_gives_the_same_misfortunes() -> None:
    def all_together(seed: int) -> list[str]:
        return deliveries_until_all_are_deleted(Faults(duplicate=0.2, reorder=True, delay=5.0, seed=seed), count=200)

    assert all_together(7) == all_together(7)
    assert all_together(7) != all_together(8)


def test_an_outage_loses_requests_and_answers() -> None:
    injector = FaultInjector(Faults(outage=0.5, seed=7))
    thrown = Counter(injector.outage() for _ in range(1000))
    assert thrown.keys() == {None, Outage.REQUEST_LOST, Outage.ANSWER_LOST}
    assert min(thrown.values()) > 200


def test_faults_are_set_and_shown_over_http_while_the_endpoint_runs(start_sqs: Any) -> None:
    with start_sqs("--seed", "3", "--reorder") as sqs, httpx.Client(base_url=sqs.url) as http:
        assert Faults.read(http.get("/_faults").json()) == Faults(reorder=True, seed=3)
        client = sqs_client(endpoint_url=sqs.url, region="us-east-1")
        queue = RunQueue(client, urls={Priority.NORMAL: client.create_queue(QueueName="runs")["QueueUrl"]})
        assert http.post("/_faults", json={"outage": 1.0}).json()["outage"] == 1.0
        with pytest.raises(QueueUnavailable, match="cannot answer now"):
            queue.depth(Priority.NORMAL)
        assert http.post("/_faults", json={}).json() == Faults().shown()
        assert queue.depth(Priority.NORMAL).visible == 0
        client.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"duplicates": 1}, "unknown faults duplicates"),
        ({"duplicate": 2}, "between 0 and 1"),
        ({"duplicate": True}, "duplicate must be a float"),
        ({"delay": -1}, "0 seconds or more"),
        ({"reorder": 1}, "reorder must be a bool"),
        ([], "must be a JSON object"),
    ],
)
def test_faults_that_make_no_sense_are_refused_by_name(sqs_url: str, given: object, said: str) -> None:
    answer = httpx.post(f"{sqs_url}/_faults", json=given)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_a_page_in_a_browser_cannot_set_faults(sqs_url: str) -> None:
    answer = httpx.post(f"{sqs_url}/_faults", content='{"outage": 1}', headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert httpx.get(f"{sqs_url}/_faults").json() == Faults().shown()


def test_an_action_that_is_not_known_is_refused_by_name(sqs_url: str) -> None:
    client = sqs_client(endpoint_url=sqs_url, region="us-east-1")
    with pytest.raises(ClientError, match="'ListMessageMoveTasks'"):
        client.list_message_move_tasks(SourceArn="arn:aws:sqs:us-east-1:000000000000:runs")
    client.close()
