"""The fleet in numbers: what waits, what is free, and who has reported."""

import pytest
from sqlalchemy import text

from flotilla.states import WaitingOn
from flotilla.store.dispatching import mark_sent
from flotilla.store.fleet_state import Census, say_why_they_wait, take_census
from tests.flotilla.fleet import Fleet

SLOTS = 4


def _census(fleet: Fleet, *, instances: tuple[str, ...] = (), leaving: tuple[str, ...] = ()) -> Census:
    return fleet.do(lambda c: take_census(c, instances=instances, leaving=leaving))


def test_an_empty_fleet_is_all_zeros(fleet: Fleet) -> None:
    assert _census(fleet) == Census(waiting=0, running=0, oldest_wait=0, slots=0, busy=0, free=0, reported=0)


def test_pending_and_queued_runs_wait_and_held_ones_do_not(fleet: Fleet) -> None:
    _, queued, held = fleet.job(runs=3)
    fleet.do(lambda c: mark_sent(c, [queued]))
    fleet.do(
        lambda c: c.execute(text("UPDATE runs SET not_before = now() + interval '1 h' WHERE id = :id"), {"id": held})
    )
    assert _census(fleet).waiting == 2


def test_a_slot_is_busy_as_long_as_its_run_is_leased_whatever_the_worker_last_said(fleet: Fleet) -> None:
    worker = fleet.worker()
    for run_id in fleet.job(runs=3):
        fleet.claimed(run_id, worker)
    seen = _census(fleet)
    assert (seen.running, seen.slots, seen.busy, seen.free) == (3, SLOTS, 3, 1)
    fleet.do(lambda c: c.execute(text("UPDATE workers SET busy = 4")))
    assert _census(fleet).free == 1


def test_a_worker_whose_instance_terminates_has_nothing_free(fleet: Fleet) -> None:
    fleet.worker("i-leaves")
    fleet.worker("i-stays")
    assert _census(fleet, leaving=("i-leaves",)).free == SLOTS


@pytest.mark.parametrize("state", ["stopped", "lost"])
def test_a_worker_that_is_gone_has_no_slots_but_its_instance_has_reported(fleet: Fleet, state: str) -> None:
    fleet.worker("i-1")
    fleet.do(lambda c: c.execute(text(f"UPDATE workers SET state = '{state}', stopped_at = now()")))
    seen = _census(fleet, instances=("i-1", "i-2"))
    assert (seen.slots, seen.free, seen.reported) == (0, 0, 1)


def test_an_instance_that_reported_twice_is_one(fleet: Fleet) -> None:
    fleet.worker("i-1")
    fleet.worker("i-1")
    seen = _census(fleet, instances=("i-1",))
    assert (seen.reported, seen.slots) == (1, SLOTS)


def test_waiting_runs_say_that_nothing_is_launched_and_take_it_back(fleet: Fleet) -> None:
    pending, queued = fleet.job(runs=2)
    fleet.do(lambda c: mark_sent(c, [queued]))
    assert fleet.do(lambda c: say_why_they_wait(c, launches_stopped=True)) == 1
    assert fleet.row(queued).waiting_on == WaitingOn.LAUNCHES
    assert fleet.row(pending).waiting_on == WaitingOn.DISPATCH
    assert fleet.do(lambda c: say_why_they_wait(c, launches_stopped=False)) == 1
    assert fleet.row(queued).waiting_on == WaitingOn.WORKER
