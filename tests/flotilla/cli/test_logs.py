"""`flotilla logs`: what there is, and what comes."""

import threading
from pathlib import Path

import pytest
import sqlalchemy

from flotilla.store.logs import Stream
from tests.api.fleet import Fleet
from tests.flotilla.cli.conftest import Call
from tests.flotilla.cli.test_run import run_ids

pytestmark = pytest.mark.usefixtures("server")
PART = 1 << 20  # bytes that the server gives at a time


@pytest.fixture
def run(call: Call, task: Path, engine: sqlalchemy.Engine) -> str:
    """The id of a run that waits."""
    assert call("run", "-p", str(task), "-a", "oracle").code == 0
    return run_ids(engine)[0]


def test_a_log_longer_than_one_answer_is_printed_whole(call: Call, run: str, fleet: Fleet) -> None:
    text = "".join(f"line {number}\n" for number in range(PART // 6))
    trial = fleet.start(run)
    fleet.ship(trial, text.encode())
    assert len(text) > PART
    assert call("logs", run).out == text


def test_a_stream_of_the_trial_is_chosen_by_name(call: Call, run: str, fleet: Fleet) -> None:
    trial = fleet.start(run)
    fleet.ship(trial, b"agent\n", stream=Stream.AGENT)
    fleet.ship(trial, b"tests\n", stream=Stream.VERIFIER)
    assert call("logs", run, "--stream", "agent").out == "agent\n"
    assert call("logs", run, "--stream", "verifier").out == "tests\n"


def test_a_run_is_found_by_its_jobs_id_and_its_number(call: Call, run: str, fleet: Fleet) -> None:
    trial = fleet.start(run)
    fleet.ship(trial, b"hello\n")
    assert call("logs", f"{trial.job_id}/1").out == "hello\n"
    assert "has no run 2" in call("logs", f"{trial.job_id}/2").err
    assert "names no run" in call("logs", f"{trial.job_id}/x").err


def test_following_goes_on_over_trials_until_the_run_has_ended(call: Call, run: str, fleet: Fleet) -> None:
    first = fleet.start(run)
    fleet.ship(first, b"once\n")

    def go_on() -> None:
        fleet.preempt(first)
        second = fleet.start(run)
        fleet.ship(second, b"twice\n")
        fleet.grade(second, 0.25)

    thread = threading.Thread(target=go_on)
    thread.start()
    called = call("logs", "-f", run)
    thread.join()
    assert called.code == 0
    assert called.out.splitlines()[-1] == "twice"
    assert set(called.out.splitlines()) <= {"once", "twice"}
    assert called.err.splitlines()[-1] == "── the run is graded, reward 0.25"
