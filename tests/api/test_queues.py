"""The queues over HTTP: what they hold, and what died there comes back."""

import json
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from api.app import ApiContext
from flotilla.queue import RunQueue, sqs_client
from flotilla.states import Priority
from tests.api.conftest import MakeJob
from tests.api.fleet import Fleet
from tests.api.serving import client, serving
from tests.run_queues import RunQueues, running_sqs

EMPTY = {"visible": 0, "in_flight": 0, "delayed": 0, "dead_letters": 0}


def letter(run_id: str) -> str:
    return json.dumps({"run_id": run_id})


def test_the_queues_are_listed_with_what_waits_flies_and_died(api: httpx.Client, run_queues: RunQueues) -> None:
    queue = run_queues.queue
    queue.send(Priority.NORMAL, ["run_a", "run_b", "run_c"], group="t")
    queue.receive(Priority.NORMAL, most=1, wait_seconds=0, visibility_seconds=60)
    run_queues.bury("a", priority=Priority.HIGH)
    run_queues.bury("b", priority=Priority.HIGH)
    queue.dead_letters.receive(Priority.HIGH, most=1, wait_seconds=0, visibility_seconds=60)
    assert api.get("/v1/queues").json() == {
        "items": [
            {"priority": "high", **EMPTY, "dead_letters": 2},
            {"priority": "normal", **EMPTY, "visible": 2, "in_flight": 1},
        ]
    }


@pytest.mark.parametrize(("order", "moved"), [({}, {"high": 1, "normal": 1}), ({"priority": "high"}, {"high": 1})])
def test_dead_letters_come_back_to_the_queues_that_are_meant(
    api: httpx.Client,
    fleet: Fleet,
    make_job: MakeJob,
    runs_of: Callable[[str], list[str]],
    run_queues: RunQueues,
    order: dict[str, str],
    moved: dict[str, int],
) -> None:
    runs = {}
    for priority in Priority:
        (runs[priority],) = runs_of(make_job(priority=priority)["id"])
        fleet.send(runs[priority])
        run_queues.bury(letter(runs[priority]), priority=priority)
    answer = api.post("/v1/queues/redrive", json=order)
    assert answer.status_code == 200, answer.text
    rest = {"left_alone": 0, "unreadable": 0, "remaining": 0}
    assert answer.json()["items"] == [{"priority": name, "moved": number, **rest} for name, number in moved.items()]
    for priority in Priority:
        assert run_queues.received(priority) == [runs[priority]][: moved.get(priority, 0)]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [('{"priority": "low"}', 422, "/priority"), ('{"queue": "high"}', 422, "/queue"), ("{", 400, None)],
)
def test_an_order_that_is_none_is_a_problem(api: httpx.Client, body: str, status: int, pointer: str | None) -> None:
    answer = api.post("/v1/queues/redrive", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert [error["pointer"] for error in answer.json()["errors"]] == ([pointer] if pointer else [])


def test_a_queue_that_is_away_is_503_with_a_mend(context: ApiContext, key: str) -> None:
    with running_sqs() as endpoint:
        sqs = sqs_client(endpoint_url=endpoint.url, region="us-east-1", brief=True)
        queue = RunQueues.made(sqs, name="runs").queue
        with serving(replace(context, queue=queue)) as url, client(url, key=key) as api:
            assert api.get("/v1/queues").status_code == 200
            endpoint.process.terminate()
            endpoint.process.wait()
            for answer in (api.get("/v1/queues"), api.post("/v1/queues/redrive", json={})):
                assert answer.status_code == 503
                assert answer.json()["type"] == "/problems/queue-unavailable"
                assert "ask again" in answer.json()["detail"]
                assert answer.headers["Retry-After"] == "5"
            assert api.get("/v1/jobs").status_code == 200
        sqs.close()


def test_queues_that_are_not_made_yet_are_away(context: ApiContext, key: str, run_queues: RunQueues) -> None:
    urls = {priority: f"{url}-not-made" for priority, url in run_queues.urls.items()}
    lacking = replace(context, queue=RunQueue(run_queues.client, urls=urls))
    with serving(lacking) as url, client(url, key=key) as api:
        assert api.get("/v1/queues").status_code == 503
