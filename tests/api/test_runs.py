from collections.abc import Callable

import httpx
import pytest

from flotilla.causes import Cause
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from flotilla.store.logs import Stream
from tests.api.conftest import MakeJob
from tests.api.fleet import RESULT, Fleet

PROMISES = {
    "declared": {"cpus": 1.0, "memory_mb": 2048.0, "storage_mb": 0.0},
    "host": {"cpus": 8.0, "memory_mb": 32768.0, "storage_mb": 204800.0},
    "promised": {"cpus": 60.0, "memory_mb": 122880.0, "storage_mb": 0.0},
    "overcommit": {"cpus": 8.0, "memory": 4.0, "storage": 8.0},
}

type RunsOf = Callable[[str], list[str]]


@pytest.fixture
def run_id(make_job: MakeJob, runs_of: RunsOf) -> str:
    return runs_of(make_job()["id"])[0]


def test_a_run_that_waits_says_why_and_since_when(run_id: str, api: httpx.Client) -> None:
    run = api.get(f"/v1/runs/{run_id}").json()
    assert (run["state"], run["waiting_on"], run["trials"]) == ("pending", "dispatch", [])
    assert run["waiting_since"].endswith("Z")
    assert run["path"] == f"jobs/{run['job_id']}/job_run_1"
    unknown = ("reward", "rewards", "cause", "exception", "message", "log_tail", "queued_at", "started_at", "retry_of")
    assert all(run[name] is None for name in unknown)


def test_a_run_shows_every_trial_with_its_worker_and_logs(run_id: str, api: httpx.Client, fleet: Fleet) -> None:
    lost = fleet.start(run_id)
    fleet.preempt(lost)
    good = fleet.start(run_id)
    fleet.ship(good, b"hello\n", stream=Stream.AGENT)
    fleet.grade(good, 0.5)
    run = api.get(f"/v1/runs/{run_id}").json()
    assert (run["state"], run["reward"], run["rewards"]) == ("graded", 0.5, {"reward": 0.5})
    assert run["log_tail"] == "the end"
    first, second = run["trials"]
    assert (first["name"], first["number"], first["state"]) == (lost.trial_name, 1, "preempted")
    assert (second["name"], second["number"], second["state"]) == (good.trial_name, 2, "graded")
    assert second["worker"] == "w-1"
    assert second["path"] == f"{run['path']}/{good.trial_name}"
    assert second["logs"] == {"agent": {"path": "agent/oracle.txt", "size": 6}}
    assert second["started_at"].endswith("Z")
    assert second["finished_at"].endswith("Z")


def test_a_trial_says_what_it_ran_under_and_the_run_whether_that_was_contended(
    run_id: str, api: httpx.Client, fleet: Fleet
) -> None:
    measured = {"stalled": {"cpu": 0.61, "memory": 0.0, "io": 0.02}, "contended": True}
    trial = fleet.start(run_id, conditions=PROMISES)
    assert api.get(f"/v1/runs/{run_id}").json()["contended"] is None
    fleet.grade(trial, conditions=measured)
    run = api.get(f"/v1/runs/{run_id}").json()
    assert run["trials"][0]["conditions"] == {**PROMISES, **measured}
    (listed,) = api.get(f"/v1/jobs/{trial.job_id}/runs").json()["items"]
    assert run["contended"] is listed["contended"] is True


def test_what_a_trial_does_not_know_of_its_conditions_is_null(run_id: str, api: httpx.Client, fleet: Fleet) -> None:
    fleet.grade(fleet.start(run_id), conditions={"stalled": None, "contended": None})
    run = api.get(f"/v1/runs/{run_id}").json()
    assert set(run["trials"][0]["conditions"].values()) == {None}
    assert run["contended"] is None


def test_a_list_of_runs_counts_the_trials(run_id: str, api: httpx.Client, fleet: Fleet) -> None:
    trial = fleet.start(run_id)
    fleet.preempt(trial)
    fleet.start(run_id)
    (run,) = api.get(f"/v1/jobs/{trial.job_id}/runs").json()["items"]
    assert (run["trials"], run["state"], run["waiting_on"]) == (2, "running", None)


def test_an_errored_run_shows_the_cause_the_exception_and_the_last_lines(
    run_id: str, api: httpx.Client, fleet: Fleet
) -> None:
    ending = Ending(
        state=TrialState.ERRORED,
        cause=Cause.VERIFIER,
        exception="RewardFileNotFoundError",
        message="no reward",
        log_tail="test.sh: failed",
    )
    fleet.end(fleet.start(run_id), ending)
    run = api.get(f"/v1/runs/{run_id}").json()
    assert (run["state"], run["cause"], run["exception"]) == ("errored", "verifier", "RewardFileNotFoundError")
    assert (run["message"], run["log_tail"], run["reward"]) == ("no reward", "test.sh: failed", None)
    answer = api.get(f"/v1/runs/{run_id}/result")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/no-result"
    assert "errored (verifier)" in answer.json()["detail"]


def test_the_result_is_harbors_own_document(run_id: str, api: httpx.Client, fleet: Fleet) -> None:
    trial = fleet.start(run_id)
    waiting = api.get(f"/v1/runs/{run_id}/result")
    assert waiting.status_code == 404
    assert "is running" in waiting.json()["detail"]
    fleet.grade(trial)
    answer = api.get(f"/v1/runs/{run_id}/result")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == RESULT


@pytest.mark.parametrize("part", ["", "/result", "/logs", "/logs?follow=true"])
def test_a_run_of_nobody_or_of_another_tenant_is_not_there(
    run_id: str, api: httpx.Client, stranger: httpx.Client, part: str
) -> None:
    assert stranger.get(f"/v1/runs/{run_id}{part}").status_code == 404
    assert api.get(f"/v1/runs/{run_id}0{part}").status_code == 404
    assert api.get(f"/v1/runs/..%2F{part}").status_code == 404
