"""Claim, renew, lose: a run has one lease at a time, and a late write changes nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from flotilla.causes import Cause
from flotilla.states import RunState, TrialState, WaitingOn, WorkerState
from flotilla.store.dispatching import mark_sent
from flotilla.store.endings import (
    Ending,
    LeaseLost,
    finish,
    take_back_expired,
    take_back_from_former,
)
from flotilla.store.jobs import cancel_job
from flotilla.store.leases import Claimed, Lease, Refusal, Refused, renew
from tests.flotilla.fleet import LEASE_SECONDS, Fleet

GRADED = Ending(state=TrialState.GRADED, rewards={"reward": 1.0}, result={"trial_name": "x"})


def _finish(fleet: Fleet, lease: Lease, ending: Ending = GRADED) -> RunState | None:
    return fleet.do(lambda c: finish(c, run_id=lease.run_id, token=lease.token, trial_id=lease.trial_id, ending=ending))


def _cancel(fleet: Fleet, run_id: str) -> None:
    fleet.do(lambda connection: cancel_job(connection, job_id=fleet.row(run_id).job_id))


def test_a_pending_run_can_be_claimed_before_its_message_is_marked_as_sent(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    claimed = fleet.claimed(run_id, fleet.worker())
    assert fleet.row(run_id).state == RunState.RUNNING
    assert fleet.do(lambda connection: mark_sent(connection, [run_id])) == 0
    assert fleet.row(run_id).trial_id == claimed.lease.trial_id


def test_a_claim_opens_a_trial_with_the_runs_token(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    worker_id = fleet.worker()
    claimed = fleet.claimed(run_id, worker_id)
    (trial,) = fleet.trials(run_id)
    assert (trial.id, trial.token, trial.worker_id, trial.state) == (
        claimed.lease.trial_id,
        claimed.lease.token,
        worker_id,
        TrialState.RUNNING,
    )


def test_of_many_who_claim_one_run_at_once_exactly_one_gets_it(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    workers = [fleet.worker(f"worker-{number}") for number in range(5)]
    start = threading.Barrier(len(workers))

    def race(worker_id: str) -> object:
        start.wait()
        return fleet.claim(run_id, worker_id)

    with ThreadPoolExecutor(len(workers)) as pool:
        answers = list(pool.map(race, workers))
    assert sum(isinstance(answer, Claimed) for answer in answers) == 1
    assert len(fleet.trials(run_id)) == 1


def test_a_leased_run_is_refused_with_the_time_its_lease_still_holds(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker())
    refused = fleet.claim(run_id, fleet.worker("other"))
    assert refused.refusal is Refusal.LEASED
    assert LEASE_SECONDS - 10 < refused.seconds <= LEASE_SECONDS


def test_a_run_that_does_not_exist_is_over(fleet: Fleet) -> None:
    assert fleet.claim("run_unheard_of", fleet.worker()) == Refused(refusal=Refusal.OVER)


def test_a_terminal_run_is_over(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    _finish(fleet, fleet.claimed(run_id, fleet.worker()).lease)
    assert fleet.claim(run_id, fleet.worker("other")) == Refused(refusal=Refusal.OVER)


def test_a_run_in_backoff_is_held_and_pending_again(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fault = Ending(state=TrialState.ERRORED, cause=Cause.SANDBOX)
    assert _finish(fleet, fleet.claimed(run_id, fleet.worker()).lease, fault) is RunState.PENDING
    assert fleet.claim(run_id, fleet.worker("other")) == Refused(refusal=Refusal.HELD)
    row = fleet.row(run_id)
    assert (row.state, row.waiting_on) == (RunState.PENDING, WaitingOn.BACKOFF)


def test_claiming_a_run_whose_lease_has_expired_takes_it_back_first(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.ticked()
    fleet.claimed(run_id, fleet.worker(), lease_seconds=-1)
    again = fleet.claimed(run_id, fleet.worker("other"))
    lost, running = fleet.trials(run_id)
    assert (lost.state, lost.cause) == (TrialState.LOST, Cause.HOST_LOST)
    assert running.id == again.lease.trial_id
    assert fleet.row(run_id).lost == 1


def test_renewal_returns_every_lease_of_the_worker_and_no_other(fleet: Fleet) -> None:
    one, two, foreign = fleet.job(runs=3)
    worker_id, other = fleet.worker(), fleet.worker("other")
    mine = {fleet.claimed(one, worker_id).lease, fleet.claimed(two, worker_id).lease}
    fleet.claimed(foreign, other)
    renewed = fleet.do(lambda c: renew(c, worker_id=worker_id, lease_seconds=90, busy=2, state=WorkerState.ACCEPTING))
    assert {one.lease for one in renewed} == mine


def test_renewal_revives_an_expired_lease_that_nobody_took(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    worker_id = fleet.worker()
    fleet.claimed(run_id, worker_id, lease_seconds=-1)
    fleet.do(lambda c: renew(c, worker_id=worker_id, lease_seconds=90, busy=1, state=WorkerState.ACCEPTING))
    assert fleet.do(take_back_expired) == []


def test_renewal_tells_that_a_run_was_cancelled(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    worker_id = fleet.worker()
    fleet.claimed(run_id, worker_id)
    _cancel(fleet, run_id)
    (renewed,) = fleet.do(
        lambda c: renew(c, worker_id=worker_id, lease_seconds=90, busy=1, state=WorkerState.ACCEPTING)
    )
    assert renewed.cancel_requested


def test_a_lost_trials_ending_is_refused_and_changes_nothing(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    zombie = fleet.claimed(run_id, fleet.worker(), lease_seconds=-1).lease
    fleet.do(take_back_expired)
    winner = fleet.claimed(run_id, fleet.worker("other")).lease
    before = fleet.row(run_id)
    with pytest.raises(LeaseLost):
        _finish(fleet, zombie)
    assert fleet.row(run_id) == before
    assert _finish(fleet, winner) is RunState.GRADED


def test_a_trial_taken_back_is_refused_even_while_its_run_waits(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    zombie = fleet.claimed(run_id, fleet.worker(), lease_seconds=-1).lease
    fleet.do(take_back_expired)
    with pytest.raises(LeaseLost):
        _finish(fleet, zombie)


def test_an_ending_whose_answer_was_lost_can_be_written_again(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    lease = fleet.claimed(run_id, fleet.worker()).lease
    assert _finish(fleet, lease) is RunState.GRADED
    before = fleet.row(run_id)
    assert _finish(fleet, lease) is None
    assert fleet.row(run_id) == before
    assert fleet.job_row(run_id).open_runs == 0


def test_a_new_incarnation_takes_back_what_the_former_one_left_and_nothing_else(fleet: Fleet) -> None:
    left, foreign = fleet.job(runs=2)
    fleet.claimed(left, fleet.worker("same"))
    fleet.claimed(foreign, fleet.worker("other"))
    reborn = fleet.worker("same")
    taken = fleet.do(lambda c: take_back_from_former(c, worker_name="same", worker_id=reborn))
    assert taken == [left]
    assert fleet.row(foreign).state == RunState.RUNNING


def test_a_lease_that_holds_is_not_taken_back(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker())
    assert fleet.do(take_back_expired) == []


def test_no_run_has_two_open_trials(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker())
    count = text("SELECT count(*) FROM trials WHERE run_id = :run AND state = 'running'")
    fleet.claim(run_id, fleet.worker("other"))
    assert fleet.do(lambda c: c.execute(count, {"run": run_id}).scalar_one()) == 1
