"""`flotilla job` and `flotilla worker`: what is there."""

import json
from pathlib import Path

import pytest
import sqlalchemy

from flotilla.states import WorkerState
from flotilla.store.leases import renew
from tests.api.fleet import Fleet
from tests.flotilla.cli.conftest import Call
from tests.flotilla.cli.test_run import run_ids

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def job(call: Call, task: Path) -> str:
    """The id of a job of two runs."""
    return call("run", "-p", str(task), "-a", "oracle", "-k", "2").out.strip()


def test_a_job_is_shown_with_its_runs_and_why_they_wait(
    call: Call, job: str, engine: sqlalchemy.Engine, fleet: Fleet
) -> None:
    fleet.grade(fleet.start(run_ids(engine)[0]), 1.0)
    lines = call("job", "show", job).out.splitlines()
    assert lines[1].split()[:3] == ["1", "graded", "1"]
    assert "waits on dispatch" in lines[2]
    assert lines[-1] == f"{job} (acme/sum, oracle) is running: 1 pending, 1 graded of 2 runs; mean reward 1"


def test_a_run_whose_host_was_contended_is_shown_so(
    call: Call, job: str, engine: sqlalchemy.Engine, fleet: Fleet
) -> None:
    one, two = run_ids(engine)
    fleet.grade(fleet.start(one), conditions={"contended": False})
    assert "contended" not in call("job", "show", job).out
    fleet.grade(fleet.start(two), conditions={"contended": True})
    lines = call("job", "show", job).out.splitlines()
    assert "contended" not in lines[1]
    assert lines[2].split()[4] == "contended"
    assert lines[-2].startswith("1 run was contended: ")
    document = json.loads(call("job", "show", job, "--json").out)
    assert [run["contended"] for run in document["items"]] == [False, True]


def test_a_job_is_shown_as_the_documents_that_the_server_gave(call: Call, job: str) -> None:
    document = json.loads(call("job", "show", job, "--json").out)
    assert document["id"] == job
    assert [run["number"] for run in document["items"]] == [1, 2]


def test_jobs_are_listed_newest_first_and_by_label(call: Call, job: str, task: Path) -> None:
    other = call("run", "-p", str(task), "-a", "nop", "--experiment", "tries").out.strip()
    everything = call("job", "list").out.splitlines()
    assert [line.split()[0] for line in everything] == ["job", other, job]
    assert [item["id"] for item in json.loads(call("job", "list", "--json", "-l", "1").out)["items"]] == [other]
    labelled = call("job", "list", "--experiment", "tries", "--state", "running", "--json")
    assert [item["id"] for item in json.loads(labelled.out)["items"]] == [other]


def test_a_cancelled_job_says_so(call: Call, job: str) -> None:
    assert "is cancelled: 2 cancelled of 2 runs" in call("job", "cancel", job).out
    assert json.loads(call("job", "cancel", job, "--json").out)["state"] == "cancelled"


def test_a_job_that_is_not_there_is_a_usage_error(call: Call) -> None:
    called = call("job", "show", "job_nothing")
    assert called.code == 2
    assert "there is no job job_nothing" in called.err


def test_workers_are_listed(call: Call, fleet: Fleet) -> None:
    lines = call("worker", "list").out.splitlines()
    assert lines[1].split()[:5] == ["w-1", "accepting", "0", "60", "sandbox"]
    assert [worker["name"] for worker in json.loads(call("worker", "list", "--json").out)["items"]] == ["w-1"]


def test_a_worker_that_is_unfit_says_why(call: Call, fleet: Fleet, engine: sqlalchemy.Engine) -> None:
    with engine.begin() as connection:
        renew(
            connection,
            worker_id=fleet.worker_id,
            lease_seconds=90,
            busy=0,
            state=WorkerState.UNFIT,
            reason="the Docker engine does not answer",
        )
    (worker,) = json.loads(call("worker", "list", "--json").out)["items"]
    assert (worker["state"], worker["reason"]) == ("unfit", "the Docker engine does not answer")
    line = call("worker", "list").out.splitlines()[1]
    assert line.split()[1] == "unfit"
    assert line.rstrip().endswith("the Docker engine does not answer")
