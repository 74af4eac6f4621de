"""A run that met an infrastructure fault goes to another host, if there is one; a lone host may try again."""

import pytest
from sqlalchemy import text

from flotilla.causes import Cause
from flotilla.states import RunState, TrialState, WaitingOn, WorkerState
from flotilla.store.dispatching import mark_sent
from flotilla.store.endings import Ending
from flotilla.store.leases import LATER_SECONDS, Claimed, Refusal, Refused, renew
from tests.flotilla.fleet import Fleet

FAULT = Ending(state=TrialState.ERRORED, cause=Cause.SANDBOX)
ELSEWHERE = Refused(refusal=Refusal.ELSEWHERE, seconds=LATER_SECONDS)


def _fail(fleet: Fleet, run_id: str, worker_id: str, ending: Ending = FAULT) -> None:
    fleet.finish(fleet.claimed(run_id, worker_id).lease, ending)
    fleet.do(lambda c: c.execute(text("UPDATE runs SET not_before = NULL")))
    fleet.do(lambda c: mark_sent(c, [run_id]))


def test_the_host_that_failed_a_run_leaves_it_to_another_one_and_the_run_says_so(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    sick, healthy = fleet.worker("sick"), fleet.worker("healthy")
    _fail(fleet, run_id, sick)
    assert fleet.claim(run_id, sick) == ELSEWHERE
    row = fleet.row(run_id)
    assert (row.state, row.waiting_on) == (RunState.QUEUED, WaitingOn.OTHER_HOST)
    assert isinstance(fleet.claim(run_id, healthy), Claimed)


def test_a_new_incarnation_is_the_same_host(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.worker("healthy")
    _fail(fleet, run_id, fleet.worker("sick"))
    assert fleet.claim(run_id, fleet.worker("sick")) == ELSEWHERE


def test_a_lone_host_may_try_again(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    lone = fleet.worker("lone")
    _fail(fleet, run_id, lone)
    assert isinstance(fleet.claim(run_id, lone), Claimed)


@pytest.mark.parametrize("state", [WorkerState.DRAINING, WorkerState.UNFIT])
def test_a_host_that_receives_nothing_is_no_other_host(fleet: Fleet, state: WorkerState) -> None:
    (run_id,) = fleet.job()
    lone, other = fleet.worker("lone"), fleet.worker("other")
    _fail(fleet, run_id, lone)
    fleet.do(lambda c: renew(c, worker_id=other, lease_seconds=90, busy=0, state=state, reason="a test"))
    assert isinstance(fleet.claim(run_id, lone), Claimed)


def test_when_every_host_has_failed_it_each_may_try_again(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    one, two = fleet.worker("one"), fleet.worker("two")
    _fail(fleet, run_id, one)
    _fail(fleet, run_id, two)
    assert isinstance(fleet.claim(run_id, one), Claimed)


def test_what_the_run_did_itself_is_held_against_no_host(fleet: Fleet) -> None:
    (run_id,) = fleet.job(max_trials=2)
    mine = fleet.worker("mine")
    fleet.worker("other")
    _fail(fleet, run_id, mine, Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER))
    assert isinstance(fleet.claim(run_id, mine), Claimed)


def test_another_runs_fault_is_held_against_no_host(fleet: Fleet) -> None:
    faulty, other = fleet.job(runs=2)
    mine = fleet.worker("mine")
    fleet.worker("other")
    _fail(fleet, faulty, mine)
    assert isinstance(fleet.claim(other, mine), Claimed)
