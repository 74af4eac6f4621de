"""What a trial's ending makes of its run and job, and how a job is cancelled."""

from datetime import UTC, datetime

import pytest

from flotilla.budgets import MOST_UNCHARGED
from flotilla.causes import Cause
from flotilla.states import JobState, RunState, TrialState, WaitingOn
from flotilla.store.dispatching import forget_messages, mark_sent, startable
from flotilla.store.endings import Ending, finish, give_back_unknown
from flotilla.store.jobs import cancel_job
from tests.flotilla.fleet import Fleet

GRADED = Ending(state=TrialState.GRADED, rewards={"reward": 0.5}, result={"trial_name": "x"})
ERRORED = Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER, exception="RewardFileNotFoundError")
PREEMPTED = Ending(state=TrialState.PREEMPTED, cause=Cause.SPOT_RECLAIMED)
CANCELLED = Ending(state=TrialState.CANCELLED, cause=Cause.CANCELLED)


def _end(fleet: Fleet, run_id: str, worker_id: str, ending: Ending) -> RunState | None:
    lease = fleet.claimed(run_id, worker_id).lease
    return fleet.do(lambda c: finish(c, run_id=run_id, token=lease.token, trial_id=lease.trial_id, ending=ending))


def _cancel(fleet: Fleet, run_id: str) -> None:
    fleet.do(lambda connection: cancel_job(connection, job_id=fleet.row(run_id).job_id))


def test_a_graded_run_has_its_reward_and_its_trial(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    _end(fleet, run_id, fleet.worker(), GRADED)
    run, (trial,) = fleet.row(run_id), fleet.trials(run_id)
    assert (run.state, run.reward, run.rewards, run.trial_id) == (RunState.GRADED, 0.5, {"reward": 0.5}, trial.id)
    assert (trial.state, trial.result) == (TrialState.GRADED, {"trial_name": "x"})


@pytest.mark.parametrize(
    ("rewards", "reward"),
    [({"reward": 0.25, "style": 1.0}, 0.25), ({"style": 0.75}, 0.75), ({"a": 1.0, "b": 0.0}, None)],
)
def test_the_reward_is_the_key_of_that_name_or_the_only_one(
    fleet: Fleet, rewards: dict[str, float], reward: float | None
) -> None:
    (run_id,) = fleet.job()
    _end(fleet, run_id, fleet.worker(), Ending(state=TrialState.GRADED, rewards=rewards))
    assert (fleet.row(run_id).reward, fleet.row(run_id).rewards) == (reward, rewards)


def test_an_errored_run_says_why(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    assert _end(fleet, run_id, fleet.worker(), ERRORED) is RunState.ERRORED
    assert fleet.row(run_id).cause == Cause.VERIFIER


def test_a_run_with_trials_left_is_pending_again_and_keeps_the_failed_one(fleet: Fleet) -> None:
    (run_id,) = fleet.job(max_trials=2)
    assert _end(fleet, run_id, fleet.worker(), ERRORED) is RunState.PENDING
    run = fleet.row(run_id)
    assert (run.waiting_on, run.trial_id, run.cause, run.own_errors) == (WaitingOn.DISPATCH, None, None, 1)
    assert _end(fleet, run_id, fleet.worker("other"), GRADED) is RunState.GRADED
    assert [trial.state for trial in fleet.trials(run_id)] == [TrialState.ERRORED, TrialState.GRADED]


def test_a_job_ends_with_its_last_run(fleet: Fleet) -> None:
    first, last = fleet.job(runs=2)
    worker_id = fleet.worker()
    _end(fleet, first, worker_id, GRADED)
    assert fleet.job_row(last).state == JobState.RUNNING
    _end(fleet, last, worker_id, ERRORED)
    job = fleet.job_row(last)
    assert (job.state, job.open_runs) == (JobState.DONE, 0)
    assert job.finished_at <= datetime.now(UTC)


def test_cancelling_ends_waiting_runs_at_once_and_leaves_running_ones_to_their_workers(fleet: Fleet) -> None:
    waiting, sent, running = fleet.job(runs=3)
    fleet.do(lambda connection: mark_sent(connection, [sent]))
    lease = fleet.claimed(running, fleet.worker()).lease
    _cancel(fleet, running)
    assert [fleet.row(run).state for run in (waiting, sent, running)] == ["cancelled", "cancelled", "running"]
    state = fleet.do(lambda c: finish(c, run_id=running, token=lease.token, trial_id=lease.trial_id, ending=CANCELLED))
    assert state is RunState.CANCELLED
    assert fleet.job_row(running).state == JobState.CANCELLED


def test_a_trial_that_finishes_after_the_cancellation_wins(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    lease = fleet.claimed(run_id, fleet.worker()).lease
    _cancel(fleet, run_id)
    fleet.do(lambda c: finish(c, run_id=run_id, token=lease.token, trial_id=lease.trial_id, ending=GRADED))
    assert fleet.row(run_id).state == RunState.GRADED
    assert fleet.job_row(run_id).state == JobState.DONE


def test_a_preempted_trial_of_a_cancelled_run_is_not_tried_again(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    lease = fleet.claimed(run_id, fleet.worker()).lease
    _cancel(fleet, run_id)
    fleet.do(lambda c: finish(c, run_id=run_id, token=lease.token, trial_id=lease.trial_id, ending=PREEMPTED))
    assert fleet.row(run_id).state == RunState.CANCELLED


def test_cancelling_twice_or_after_the_end_changes_nothing(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    _end(fleet, run_id, fleet.worker(), GRADED)
    before = fleet.job_row(run_id)
    _cancel(fleet, run_id)
    _cancel(fleet, run_id)
    assert fleet.job_row(run_id) == before
    assert fleet.row(run_id).state == RunState.GRADED


def test_a_terminal_state_is_kept_whatever_comes_after(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    _cancel(fleet, run_id)
    fleet.do(lambda connection: mark_sent(connection, [run_id]))
    fleet.do(forget_messages)
    assert fleet.row(run_id).state == RunState.CANCELLED


def test_a_preempted_run_is_startable_at_once_and_a_faulty_one_after_its_backoff(fleet: Fleet) -> None:
    preempted, faulty = fleet.job(runs=2)
    worker_id = fleet.worker()
    _end(fleet, preempted, worker_id, PREEMPTED)
    _end(fleet, faulty, worker_id, Ending(state=TrialState.ERRORED, cause=Cause.SANDBOX))
    assert [run.run_id for run in fleet.do(lambda c: startable(c, most=10))] == [preempted]
    assert fleet.do(lambda connection: mark_sent(connection, [faulty])) == 0


def test_text_from_a_task_may_hold_characters_that_postgresql_does_not_take(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    ending = Ending(
        state=TrialState.ERRORED,
        cause=Cause.AGENT,
        message="a\0b",
        log_tail="\0",
        result={"says": "a\0b", "writes": "\\u0000"},
    )
    _end(fleet, run_id, fleet.worker(), ending)
    (trial,) = fleet.trials(run_id)
    assert (trial.message, trial.log_tail) == ("a\ufffdb", "\ufffd")
    assert trial.result == {"says": "a\ufffdb", "writes": "\\u0000"}


def test_a_run_that_its_worker_did_not_know_of_is_pending_again_and_nothing_is_charged(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    lease = fleet.claimed(run_id, fleet.worker()).lease
    give_back = lambda c: give_back_unknown(c, run_id=run_id, token=lease.token, trial_id=lease.trial_id)  # noqa: E731
    assert fleet.do(give_back) is RunState.PENDING
    row, (trial,) = fleet.row(run_id), fleet.trials(run_id)
    assert (row.preempted, row.lost, row.infrastructure, row.own_errors) == (0, 0, 0, 0)
    assert (trial.state, trial.cause) == (TrialState.PREEMPTED, Cause.GIVEN_BACK)


def test_a_run_that_its_workers_never_know_of_is_errored_in_the_end(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    worker_id = fleet.worker()
    given_back = Ending(state=TrialState.PREEMPTED, cause=Cause.GIVEN_BACK)
    _end(fleet, run_id, worker_id, PREEMPTED)  # charged, and so no part of what is counted here
    states = [_end(fleet, run_id, worker_id, given_back) for _ in range(MOST_UNCHARGED + 1)]
    assert states == [*[RunState.PENDING] * MOST_UNCHARGED, RunState.ERRORED]
    assert fleet.row(run_id).cause == Cause.GIVEN_BACK
