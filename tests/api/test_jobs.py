import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from api.app import ApiContext
from flotilla.layout import Layout
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from tests.api.conftest import Kicks, MakeJob
from tests.api.fleet import Fleet
from tests.api.serving import client, serving

ORACLE = {"name": "oracle"}


def errors_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {error["pointer"]: f"{error['detail']} {error['mend']}" for error in answer.json()["errors"]}


def test_a_job_is_made_with_all_its_runs_and_its_bundle_laid_out(
    make_job: MakeJob, api: httpx.Client, layout: Layout, bundle: dict[str, Any], kicks: Kicks
) -> None:
    job = make_job(runs=3, experiment="sums", priority="high", max_trials=2)
    assert job["state"] == "running"
    assert job["bundle"] == {"id": bundle["id"], "sha256": bundle["sha256"], "task_name": "acme/sum"}
    assert job["agent"] == {"name": "oracle", "model": None, "kwargs": {}}
    assert (job["priority"], job["experiment"], job["max_trials"], job["secrets"]) == ("high", "sums", 2, [])
    assert job["counts"] == {"pending": 3, "queued": 0, "running": 0, "graded": 0, "errored": 0, "cancelled": 0}
    assert (job["mean_reward"], job["finished_at"], job["cancel_requested"]) == (None, None, False)
    assert api.get(f"/v1/jobs/{job['id']}").json() == job
    assert (layout.job(job["id"]) / "bundle.zip").samefile(layout.bundle(bundle["sha256"]))
    assert kicks.count == 1


def test_a_model_agent_gets_the_model_key_and_others_get_no_secret_unless_named(make_job: MakeJob) -> None:
    assert make_job(agent={"name": "terminus-2", "model": "a/b"})["secrets"] == ["OPENROUTER_API_KEY"]
    assert make_job(agent={"name": "terminus-2"}, secrets=[])["secrets"] == []
    assert make_job(agent={"name": "nop"})["secrets"] == []
    assert make_job(secrets=["ONE", "TWO", "ONE"])["secrets"] == ["ONE", "TWO"]


def test_what_the_agent_is_told_comes_back_as_it_was_sent(make_job: MakeJob) -> None:
    kwargs = {"depth": {"of": [1, 2.5, None, True, "é😀"]}, "nul": "a"}
    assert make_job(agent={"name": "oracle", "kwargs": kwargs})["agent"]["kwargs"] == kwargs


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"agent": {"name": "orcale"}}, "/agent/name", "Did you mean 'oracle'"),
        ({"agent": {"name": "x" * 20}}, "/agent/name", "Known are"),
        ({"agent": {}}, "/agent/name", "Give it"),
        ({"agent": {"name": "oracle", "temperature": 1}}, "/agent/temperature", "not known"),
        ({"agent": {"name": "oracle", "kwargs": []}}, "/agent/kwargs", "dictionary"),
        ({"runs": 0}, "/runs", "greater than or equal to 1"),
        ({"runs": -1}, "/runs", "greater than or equal to 1"),
        ({"runs": 501}, "/runs", "500"),
        ({"runs": "10"}, "/runs", "integer"),
        ({"runs": True}, "/runs", "integer"),
        ({"runs": 1.5}, "/runs", "integer"),
        ({"max_trials": 0}, "/max_trials", "greater than or equal to 1"),
        ({"max_trials": 101}, "/max_trials", "less than or equal to 100"),
        ({"priority": "urgent"}, "/priority", "'high' or 'normal'"),
        ({"run": 3}, "/run", "not known"),
        ({"bundle": "bundle_0"}, "/bundle", "there is no bundle bundle_0"),
        ({"experiment": ""}, "/experiment", "at least 1"),
        ({"experiment": "two\nlines"}, "/experiment", "pattern"),
        ({"secrets": ["PATH"]}, "/secrets/0", "reserved"),
        ({"secrets": ["ONE", "AWS_SECRET_ACCESS_KEY"]}, "/secrets/1", "reserved"),
        ({"secrets": ["lower"]}, "/secrets/0", "capital letters"),
        ({"secrets": ["A" * 129]}, "/secrets/0", "128"),
    ],
)
def test_a_job_that_cannot_be_is_refused_and_the_field_named(
    api: httpx.Client, bundle: dict[str, Any], layout: Layout, fields: dict[str, Any], pointer: str, said: str
) -> None:
    answer = api.post("/v1/jobs", json={"bundle": bundle["id"], "agent": ORACLE, **fields})
    assert answer.status_code == 422
    assert said in errors_of(answer)[pointer]
    assert api.get("/v1/jobs").json()["items"] == []
    assert not (layout.root / "jobs").exists()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", r'"\ud800"', "[" * 25 + "]" * 25])
def test_agent_settings_that_no_database_can_hold_are_refused(
    api: httpx.Client, bundle: dict[str, Any], value: str
) -> None:
    body = f'{{"bundle": "{bundle["id"]}", "agent": {{"name": "oracle", "kwargs": {{"a": {value}}}}}}}'
    answer = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "/agent/kwargs" in errors_of(answer)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_malformed(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed"


def test_a_form_is_refused_with_the_media_type_to_send(api: httpx.Client) -> None:
    answer = api.post("/v1/jobs", data={"bundle": "b"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_a_body_of_more_than_a_mebibyte_is_too_large(api: httpx.Client, bundle: dict[str, Any]) -> None:
    order = {"bundle": bundle["id"], "agent": {"name": "oracle", "kwargs": {"a": "x" * (1 << 20)}}}
    assert api.post("/v1/jobs", json=order).status_code == 413


def test_a_job_cannot_use_another_tenants_bundle(stranger: httpx.Client, bundle: dict[str, Any]) -> None:
    answer = stranger.post("/v1/jobs", json={"bundle": bundle["id"], "agent": ORACLE})
    assert answer.status_code == 422
    assert bundle["id"] in errors_of(answer)["/bundle"]


def test_a_job_counts_its_runs_and_takes_the_mean_of_those_with_a_reward(
    make_job: MakeJob, api: httpx.Client, fleet: Fleet, runs_of: Callable[[str], list[str]]
) -> None:
    job = make_job(runs=5)
    pending, queued, good, fair, broken = runs_of(job["id"])
    fleet.send(queued)
    fleet.grade(fleet.start(good), 1.0)
    fleet.grade(fleet.start(fair), 0.25)
    fleet.end(fleet.start(broken), Ending(state=TrialState.GRADED, rewards={"a": 1.0, "b": 0.0}, result={}))
    shown = api.get(f"/v1/jobs/{job['id']}").json()
    assert shown["counts"] == {"pending": 1, "queued": 1, "running": 0, "graded": 3, "errored": 0, "cancelled": 0}
    assert shown["mean_reward"] == 0.625
    assert api.get(f"/v1/jobs/{job['id']}/runs", params={"state": "pending"}).json()["items"][0]["id"] == pending


def test_cancelling_ends_what_waits_and_asks_what_runs_to_stop_and_twice_is_fine(
    make_job: MakeJob, api: httpx.Client, fleet: Fleet, runs_of: Callable[[str], list[str]]
) -> None:
    job = make_job(runs=3)
    trial = fleet.start(runs_of(job["id"])[0])
    for _ in range(2):
        answer = api.post(f"/v1/jobs/{job['id']}/cancel")
        assert answer.status_code == 200
        shown = answer.json()
        assert (shown["counts"]["cancelled"], shown["counts"]["running"]) == (2, 1)
        assert (shown["state"], shown["cancel_requested"]) == ("running", True)
    fleet.end(trial, Ending(state=TrialState.CANCELLED))
    over = api.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert (over["state"], over["counts"]["cancelled"]) == ("cancelled", 3)
    assert over["finished_at"].endswith("Z")


def test_jobs_come_newest_first_in_pages_and_by_experiment_and_state(make_job: MakeJob, api: httpx.Client) -> None:
    made = [make_job(experiment="odd" if number % 2 else None)["id"] for number in range(5)]
    api.post(f"/v1/jobs/{made[0]}/cancel")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = api.get("/v1/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == sorted(made, reverse=True)
    odd = api.get("/v1/jobs", params={"experiment": "odd"}).json()["items"]
    assert {job["id"] for job in odd} == {made[1], made[3]}
    assert [job["id"] for job in api.get("/v1/jobs?state=cancelled").json()["items"]] == [made[0]]


def test_runs_come_by_number_in_pages_with_the_counts_of_all(make_job: MakeJob, api: httpx.Client) -> None:
    job = make_job(runs=7)
    first = api.get(f"/v1/jobs/{job['id']}/runs", params={"limit": 3}).json()
    second = api.get(f"/v1/jobs/{job['id']}/runs", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    third = api.get(f"/v1/jobs/{job['id']}/runs", params={"limit": 3, "cursor": second["next_cursor"]}).json()
    assert [run["number"] for page in (first, second, third) for run in page["items"]] == list(range(1, 8))
    assert third["next_cursor"] is None
    assert first["counts"]["pending"] == third["counts"]["pending"] == 7


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "state=over", "order=asc", "cursor=%00", "cursor=A"])
def test_a_list_with_parameters_that_mean_nothing_is_refused(make_job: MakeJob, api: httpx.Client, query: str) -> None:
    for path in ("/v1/jobs", f"/v1/jobs/{make_job()['id']}/runs"):
        answer = api.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert list(errors_of(answer)) == [f"/{query.partition('=')[0]}"]


def test_another_tenants_job_is_not_there(make_job: MakeJob, stranger: httpx.Client) -> None:
    job = make_job()
    assert stranger.get("/v1/jobs").json()["items"] == []
    assert stranger.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert stranger.get(f"/v1/jobs/{job['id']}/runs").status_code == 404
    assert stranger.post(f"/v1/jobs/{job['id']}/cancel").status_code == 404


def test_a_job_whose_transaction_fails_leaves_no_files(
    api: httpx.Client, bundle: dict[str, Any], engine: Engine, layout: Layout
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE runs ADD CONSTRAINT none CHECK (number < 2)"))
    order = {"bundle": bundle["id"], "agent": ORACLE, "runs": 2}
    answer = api.post("/v1/jobs", json=order, headers={"Connection": "close"})  # the server hangs up after a fault
    assert answer.status_code == 500
    assert "none" not in json.dumps(answer.json())
    assert list((layout.root / "jobs").iterdir()) == []
    assert api.get("/v1/jobs").json()["items"] == []


def test_a_pulse_that_cannot_be_told_does_not_undo_the_job(
    context: ApiContext, key: str, bundle: dict[str, Any]
) -> None:
    def fail() -> None:
        raise ConnectionError("the pulse is away")

    with serving(replace(context, kick=fail)) as url, client(url, key=key) as api:
        assert api.post("/v1/jobs", json={"bundle": bundle["id"], "agent": ORACLE}).status_code == 201
