"""Runs that a host has no room for: what their tasks declare, what they say, and what is counted as free for them."""

import pytest
from sqlalchemy import text

from flotilla.states import RunState, TrialState, WaitingOn, WorkerState
from flotilla.store.dispatching import forget_messages, mark_sent
from flotilla.store.endings import Ending
from flotilla.store.fleet_state import take_census
from flotilla.store.leases import renew
from flotilla.store.reading import get_run
from flotilla.store.rescuing import look_at_waiting
from flotilla.store.room import Declared, declared, wait_for_room
from tests.flotilla.fleet import Fleet


def _declare(fleet: Fleet, **amounts: int) -> None:
    for name, amount in amounts.items():
        fleet.do(lambda c, n=name, a=amount: c.execute(  # type: ignore[misc]
            text("UPDATE bundles SET task = jsonb_set(task, :path, to_jsonb(CAST(:amount AS int)))"),
            {"path": [n], "amount": a},
        ))  # fmt: skip


def test_what_the_tasks_of_waiting_runs_declare_is_one_statement_for_all_of_them(fleet: Fleet) -> None:
    one, two = fleet.job(runs=2)
    assert fleet.do(lambda c: declared(c, run_ids=[one])) == {one: Declared()}
    _declare(fleet, cpus=2, memory_mb=2048, storage_mb=10240)
    fleet.claimed(two, fleet.worker())
    needs = fleet.do(lambda c: declared(c, run_ids=[one, two, "run_none"]))
    assert needs == {one: Declared(cpus=2, memory_mb=2048, storage_mb=10240)}


def test_a_run_that_does_not_fit_now_says_for_what_it_waits_and_nothing_else_changes(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    before = fleet.row(run_id)
    fleet.do(lambda c: wait_for_room(c, run_id=run_id, reason=WaitingOn.MEMORY, detail="2 MB asked, 1 of 8 free"))
    after = fleet.row(run_id)
    assert (after.state, after.waiting_on) == (RunState.QUEUED, WaitingOn.MEMORY)
    assert after.waiting_detail == "2 MB asked, 1 of 8 free"
    assert {**after._mapping, "waiting_on": before.waiting_on, "waiting_detail": None} == dict(before._mapping)
    assert fleet.trials(run_id) == []


def _shown(fleet: Fleet, run_id: str) -> tuple[str | None, str | None]:
    run = fleet.do(lambda c: get_run(c, run_id=run_id, tenant="default"))
    assert run is not None
    return run.waiting_on, run.waiting_detail


def test_how_much_room_is_missing_is_shown_as_it_was_last_told_and_only_while_room_is_what_is_missing(
    fleet: Fleet,
) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    for free in "12":
        detail = f"4 CPUs asked, {free} of 8 free"
        fleet.do(lambda c, d=detail: wait_for_room(c, run_id=run_id, reason=WaitingOn.CPUS, detail=d))  # type: ignore[misc]
        assert _shown(fleet, run_id) == ("cpus", detail)
    fleet.do(forget_messages)
    assert _shown(fleet, run_id) == ("dispatch", None)


def test_a_run_that_another_worker_has_by_now_is_left_alone(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker())
    fleet.do(lambda c: wait_for_room(c, run_id=run_id, reason=WaitingOn.CPUS, detail=""))
    assert fleet.row(run_id).waiting_on is None


@pytest.mark.parametrize(("room", "free"), [(None, 10), (3, 3), (0, 0), (60, 10)])
def test_no_more_slots_are_free_than_their_worker_can_fill(fleet: Fleet, room: int | None, free: int) -> None:
    fleet.job()
    worker = fleet.worker()
    slots = fleet.do(lambda c: take_census(c, instances=[], leaving=[])).free
    fleet.do(lambda c: renew(c, worker_id=worker, lease_seconds=90, busy=0, state=WorkerState.ACCEPTING, room=room))
    expected = min(free, slots) if room is not None else slots
    assert fleet.do(lambda c: take_census(c, instances=[], leaving=[])).free == expected
    assert fleet.do(lambda c: look_at_waiting(c, leader="pulse")).free == expected


def test_a_trial_keeps_the_conditions_that_it_began_under_and_what_its_end_adds(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    lease = fleet.claimed(run_id, fleet.worker(), conditions={"overcommit": {"cpus": 8}}).lease
    fleet.finish(lease, Ending(state=TrialState.GRADED, rewards={"reward": 1.0}, conditions={"contended": False}))
    assert fleet.trials(run_id)[0].conditions == {"overcommit": {"cpus": 8}, "contended": False}
