"""A run whose message died is delivered anew once; only when that repeats it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from flotilla.causes import Cause
from flotilla.states import JobState, RunState, WaitingOn
from flotilla.store.dispatching import mark_sent
from flotilla.store.jobs import cancel_job
from flotilla.store.undelivered import Undelivered, deliver_again, undelivered
from tests.flotilla.fleet import Fleet

LONG_AGO = datetime.now(UTC) - timedelta(hours=5)
LATER = datetime.now(UTC) + timedelta(hours=5)


def _died(fleet: Fleet, run_id: str, sent_at: datetime = LONG_AGO) -> Undelivered:
    return fleet.do(lambda c: undelivered(c, run_id=run_id, sent_at=sent_at))


@pytest.fixture
def queued(fleet: Fleet) -> str:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    return run_id


def test_a_waiting_run_is_pending_again(fleet: Fleet, queued: str) -> None:
    assert _died(fleet, queued) is Undelivered.ANEW
    row = fleet.row(queued)
    assert (row.state, row.waiting_on) == (RunState.PENDING, WaitingOn.DISPATCH)


def test_the_same_letter_twice_changes_nothing(fleet: Fleet, queued: str) -> None:
    _died(fleet, queued)
    fleet.do(lambda c: mark_sent(c, [queued]))
    assert _died(fleet, queued) is Undelivered.LEFT_ALONE
    assert fleet.row(queued).state == RunState.QUEUED


def test_a_letter_sent_after_that_ends_the_run(fleet: Fleet, queued: str) -> None:
    _died(fleet, queued)
    fleet.do(lambda c: mark_sent(c, [queued]))
    assert _died(fleet, queued, LATER) is Undelivered.EXHAUSTED
    row = fleet.row(queued)
    assert (row.state, row.cause) == (RunState.ERRORED, Cause.DELIVERY_EXHAUSTED)
    job = fleet.job_row(queued)
    assert (job.state, job.open_runs) == (JobState.DONE, 0)
    assert _died(fleet, queued, LATER) is Undelivered.LEFT_ALONE


def test_a_running_run_is_left_alone(fleet: Fleet, queued: str) -> None:
    _died(fleet, queued)
    fleet.claimed(queued, fleet.worker())
    assert _died(fleet, queued, LATER) is Undelivered.LEFT_ALONE
    assert fleet.row(queued).state == RunState.RUNNING


def test_a_run_that_has_ended_is_left_alone(fleet: Fleet, queued: str) -> None:
    fleet.do(lambda c: cancel_job(c, job_id=fleet.row(queued).job_id))
    assert _died(fleet, queued) is Undelivered.LEFT_ALONE
    assert fleet.row(queued).state == RunState.CANCELLED


def test_a_run_that_nobody_knows_is_left_alone(fleet: Fleet) -> None:
    assert _died(fleet, "run_of_another_fleet") is Undelivered.LEFT_ALONE


def test_a_held_run_keeps_its_reason(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    hold = "UPDATE runs SET waiting_on = 'backoff', not_before = now() + interval '1 hour'"
    fleet.do(lambda c: c.execute(text(hold)))
    assert _died(fleet, run_id) is Undelivered.ANEW
    assert fleet.row(run_id).waiting_on == WaitingOn.BACKOFF


def test_what_died_of_something_mended_is_pending_again_and_may_die_once_more(fleet: Fleet, queued: str) -> None:
    _died(fleet, queued)
    fleet.do(lambda c: mark_sent(c, [queued]))
    assert fleet.do(lambda c: deliver_again(c, run_ids=[queued, "run_of_another_fleet"])) == [queued]
    row = fleet.row(queued)
    assert (row.state, row.waiting_on) == (RunState.PENDING, WaitingOn.DISPATCH)
    assert _died(fleet, queued, LATER) is Undelivered.ANEW


def test_runs_that_run_or_have_ended_are_not_delivered_again(fleet: Fleet, queued: str) -> None:
    fleet.claimed(queued, fleet.worker())
    (ended,) = fleet.job()
    fleet.do(lambda c: cancel_job(c, job_id=fleet.row(ended).job_id))
    assert fleet.do(lambda c: deliver_again(c, run_ids=[queued, ended])) == []
    assert [fleet.row(run_id).state for run_id in (queued, ended)] == [RunState.RUNNING, RunState.CANCELLED]
