"""A worker that was called lost lives on once it is heard again, unless it has a newer incarnation."""

import pytest

from flotilla.causes import Cause
from flotilla.states import RunState, TrialState, WorkerState
from flotilla.store.dispatching import mark_sent
from flotilla.store.endings import Ending, LeaseLost
from flotilla.store.leases import Claimed, Refusal, Superseded
from flotilla.store.workers import Worker, list_workers, mark_silent_workers, stop_worker
from tests.flotilla.fleet import LEASE_SECONDS, Fleet

GRADED = Ending(state=TrialState.GRADED, rewards={"reward": 1.0})


def _silence(fleet: Fleet) -> list[str]:
    fleet.away(LEASE_SECONDS + 1)
    return list(fleet.do(lambda c: mark_silent_workers(c, after_seconds=LEASE_SECONDS)))


def _worker(fleet: Fleet, worker_id: str) -> Worker:
    (found,) = [one for one in fleet.do(lambda c: list_workers(c, gone=True)) if one.id == worker_id]
    return found


def test_a_worker_that_was_called_lost_is_revived_by_its_renewal(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    worker_id = fleet.worker("paused")
    lease = fleet.claimed(run_id, worker_id).lease
    assert _silence(fleet) == ["paused"]
    assert [one.lease for one in fleet.renew(worker_id)] == [lease]
    assert _worker(fleet, worker_id).state is WorkerState.ACCEPTING
    assert [one.id for one in fleet.do(lambda c: list_workers(c, gone=False))] == [worker_id]
    assert fleet.finish(lease, GRADED) is RunState.GRADED


def test_a_lost_worker_claims_nothing_until_it_is_heard_again(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    worker_id = fleet.worker("paused")
    _silence(fleet)
    assert fleet.claim(run_id, worker_id).refusal is Refusal.ELSEWHERE
    assert fleet.row(run_id).state == RunState.QUEUED
    fleet.renew(worker_id)
    assert isinstance(fleet.claim(run_id, worker_id), Claimed)


def test_a_superseded_incarnation_renews_nothing_and_is_told(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    old = fleet.worker("same")
    fleet.claimed(run_id, old, lease_seconds=-1)
    new = fleet.worker("same")
    before = fleet.row(run_id).lease_until
    with pytest.raises(Superseded):
        fleet.renew(old)
    assert fleet.row(run_id).lease_until == before
    assert (_worker(fleet, old).state, _worker(fleet, new).state) == (WorkerState.LOST, WorkerState.ACCEPTING)


def test_a_superseded_incarnation_without_a_lease_is_told_as_well(fleet: Fleet) -> None:
    old, new = fleet.worker("same"), fleet.worker("same")
    with pytest.raises(Superseded):
        fleet.renew(old)
    assert fleet.renew(new) == []


def test_a_superseded_incarnation_claims_nothing(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    old, new = fleet.worker("same"), fleet.worker("same")
    assert fleet.claim(run_id, old).refusal is Refusal.ELSEWHERE
    assert isinstance(fleet.claim(run_id, new), Claimed)


def test_two_workers_of_different_names_supersede_nobody(fleet: Fleet) -> None:
    first = fleet.worker("first")
    fleet.worker("second")
    assert fleet.renew(first) == []


def test_a_worker_that_has_ended_is_not_revived_by_a_renewal_that_came_late(fleet: Fleet) -> None:
    worker_id = fleet.worker()
    fleet.do(lambda c: stop_worker(c, worker_id=worker_id))
    assert fleet.renew(worker_id) == []
    assert _worker(fleet, worker_id).state is WorkerState.STOPPED


def test_a_trial_that_was_given_back_while_its_worker_was_paused_is_refused(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    zombie = fleet.claimed(run_id, fleet.worker("paused"), lease_seconds=-1).lease
    fleet.ticked()
    winner = fleet.claimed(run_id, fleet.worker("other")).lease
    with pytest.raises(LeaseLost):
        fleet.finish(zombie, GRADED)
    assert fleet.finish(winner, GRADED) is RunState.GRADED
    assert [(trial.state, trial.cause) for trial in fleet.trials(run_id)] == [
        (TrialState.LOST, Cause.HOST_LOST),
        (TrialState.GRADED, None),
    ]
