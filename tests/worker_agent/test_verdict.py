"""How a trial ended, read from what it left behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from flotilla.causes import INFRASTRUCTURE, Cause
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from worker_agent.bounds import Excess
from worker_agent.verdict import Remains, Stopped, judge


def _judge(
    place: Path, *, stopped: Stopped | None = None, exit_code: int = 0, disk_full: bool = False, **result: Any
) -> Ending:
    directory = place / "task__1"
    directory.mkdir()
    (directory / "trial.log").write_text("first\nlast line\n")
    if result:
        (directory / "result.json").write_text(json.dumps(result))
    remains = Remains(
        exit_code=exit_code,
        outcome=place / "outcome.json",
        directory=directory,
        process_log=place / "process.log",
        stopped=stopped,
        disk_full=disk_full,
    )
    return judge(remains)


def _failed(kind: str, message: str = "") -> dict[str, str]:
    return {"exception_type": kind, "exception_message": message}


def test_a_reward_grades_whatever_it_is(tmp_path: Path) -> None:
    ending = _judge(tmp_path, verifier_result={"rewards": {"reward": 0}}, exception_info=None)
    assert (ending.state, ending.reward, ending.cause) == (TrialState.GRADED, 0.0, None)


def test_a_graded_trial_keeps_the_cause_of_what_befell_it(tmp_path: Path) -> None:
    ending = _judge(
        tmp_path, verifier_result={"rewards": {"reward": 0.0}}, exception_info=_failed("AgentTimeoutError", "after 3 s")
    )
    assert (ending.state, ending.cause, ending.exception) == (
        TrialState.GRADED,
        Cause.AGENT_BUDGET,
        "AgentTimeoutError",
    )


def test_a_verifier_without_a_reward_errs_with_the_logs_last_lines(tmp_path: Path) -> None:
    ending = _judge(tmp_path, verifier_result=None, exception_info=_failed("RewardFileNotFoundError", "none"))
    assert (ending.state, ending.cause) == (TrialState.ERRORED, Cause.VERIFIER)
    assert ending.log_tail == "first\nlast line\n"


@pytest.mark.parametrize("rewards", [{}, {"reward": float("nan")}, {"reward": float("inf")}, {"reward": "1"}, None])
def test_what_is_no_finite_number_is_no_reward(tmp_path: Path, rewards: Any) -> None:
    ending = _judge(tmp_path, verifier_result={"rewards": rewards}, exception_info=None)
    assert (ending.state, ending.cause) == (TrialState.ERRORED, Cause.VERIFIER)


def test_a_failed_step_explains_a_trial_without_a_reward(tmp_path: Path) -> None:
    steps = [{"exception_info": None}, {"exception_info": _failed("AgentTimeoutError")}]
    ending = _judge(tmp_path, verifier_result=None, exception_info=None, step_results=steps)
    assert ending.cause is Cause.AGENT_BUDGET


@pytest.mark.parametrize(
    ("stopped", "state"),
    [
        (Stopped.CANCELLED, TrialState.CANCELLED),
        (Stopped.PREEMPTED, TrialState.PREEMPTED),
        (Stopped.TIME_LIMIT, TrialState.ERRORED),
    ],
)
def test_a_stopped_trial_ends_as_it_was_stopped(tmp_path: Path, stopped: Stopped, state: TrialState) -> None:
    ending = _judge(tmp_path, stopped=stopped, exception_info=_failed("CancelledError"), verifier_result=None)
    assert ending.state is state


def test_a_trial_that_finished_before_the_stop_reached_it_wins(tmp_path: Path) -> None:
    ending = _judge(tmp_path, stopped=Stopped.CANCELLED, verifier_result={"rewards": {"reward": 1}})
    assert ending.state is TrialState.GRADED


def test_a_process_that_was_killed_is_the_hosts_fault_and_not_the_runs(tmp_path: Path) -> None:
    ending = _judge(tmp_path, exit_code=-9)
    assert (ending.state, ending.cause) == (TrialState.ERRORED, Cause.HARNESS)
    assert "-9" in (ending.message or "")


def test_what_harbor_refused_before_there_was_a_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text(json.dumps({"exception": "ValueError", "message": "no such agent"}))
    ending = _judge(tmp_path, exit_code=70)
    assert (ending.cause, ending.message) == (Cause.TASK_INVALID, "no such agent")


def test_half_a_result_is_none(tmp_path: Path) -> None:
    directory = tmp_path / "task__1"
    directory.mkdir()
    (directory / "result.json").write_text('{"verifier_result": {"rewards": {"rew')
    remains = Remains(
        exit_code=-9,
        outcome=tmp_path / "outcome.json",
        directory=directory,
        process_log=tmp_path / "process.log",
        stopped=None,
    )
    assert judge(remains).exception == "TrialProcessDied"


def test_whatever_fails_on_a_full_disk_fails_because_of_it(tmp_path: Path) -> None:
    failed = _judge(tmp_path, disk_full=True, exception_info=_failed("SandboxBuildError", "'RUN' ended with 1"))
    assert (failed.state, failed.cause) == (TrialState.ERRORED, Cause.HOST_RESOURCE)


def test_a_reward_stays_one_whatever_became_of_the_disk(tmp_path: Path) -> None:
    ending = _judge(tmp_path, disk_full=True, verifier_result={"rewards": {"reward": 1}}, exception_info=None)
    assert (ending.state, ending.cause) == (TrialState.GRADED, None)


CROWDED = Excess(exception="ProcessesExceeded", cause=Cause.PROCESSES_EXCEEDED, message="it had all 300")


def test_a_trial_that_was_ended_for_a_limit_errs_for_it_and_counts_as_its_own(tmp_path: Path) -> None:
    ending = judge(remains_of(tmp_path, stopped=Stopped.LIMIT, excess=CROWDED))
    assert (ending.state, ending.cause, ending.message) == (
        TrialState.ERRORED,
        Cause.PROCESSES_EXCEEDED,
        "it had all 300",
    )
    assert Cause.PROCESSES_EXCEEDED not in INFRASTRUCTURE


@pytest.mark.parametrize(
    ("rewards", "state"), [({"reward": 0.0}, TrialState.GRADED), (None, TrialState.ERRORED)]
)  # fmt: skip
def test_what_the_kernel_ended_for_memory_is_named_whether_the_trial_is_graded_or_not(
    tmp_path: Path, rewards: dict[str, float] | None, state: TrialState
) -> None:
    (tmp_path / "notes.json").write_text('{"memory_kills": 1, "memory_mb": 64, "full_at": null}')
    ending = judge(remains_of(tmp_path, verifier_result={"rewards": rewards}))
    assert (ending.state, ending.cause) == (state, Cause.MEMORY_EXCEEDED)
    assert ending.message is not None
    assert "64 MB of memory" in ending.message


def test_a_result_of_gigabytes_is_none(tmp_path: Path) -> None:
    remains = remains_of(tmp_path, verifier_result={"rewards": {"reward": 1.0}})
    with (remains.directory / "result.json").open("r+b") as result:
        result.truncate(1 << 33)
    assert (judge(remains).state, judge(remains).result) == (TrialState.ERRORED, None)


def remains_of(place: Path, *, stopped: Stopped | None = None, excess: Excess | None = None, **result: Any) -> Remains:
    """Of a trial whose process ended by itself, with this result if any."""
    directory = place / "task__1"
    directory.mkdir()
    if result:
        (directory / "result.json").write_text(json.dumps(result))
    return Remains(
        exit_code=0,
        outcome=place / "outcome.json",
        directory=directory,
        process_log=place / "process.log",
        stopped=stopped,
        excess=excess,
        notes=place / "notes.json",
    )
