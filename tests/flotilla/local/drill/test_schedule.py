"""The schedule of a drill: a pure function of what is asked and the seed."""

from dataclasses import replace

import pytest

from flotilla.local.drill.options import DEFAULT_MIX, Faults, Options
from flotilla.local.drill.schedule import EARLIEST, LATEST, ON_WORKERS, Injury, Kind, schedule, share_of

ASKED = Options(runs=600, workers=10, slots=60, seed=1, faults=DEFAULT_MIX)


def of_kind(injuries: tuple[Injury, ...], *kinds: Kind) -> list[Injury]:
    return [injury for injury in injuries if injury.kind in kinds]


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert schedule(ASKED) == schedule(ASKED)
    assert len({schedule(replace(ASKED, seed=seed)) for seed in range(20)}) == 20


@pytest.mark.parametrize(
    ("workers", "share", "number"), [(10, 0.3, 3), (30, 0.1, 3), (3, 0.34, 2), (4, 0.01, 1), (4, 0.0, 0), (5, 1.0, 5)]
)
def test_a_share_of_the_workers_is_rounded_up(workers: int, share: float, number: int) -> None:
    assert share_of(workers, share) == number


@pytest.mark.parametrize("seed", range(10))
def test_of_the_killed_workers_every_second_one_is_gone_for_good(seed: int) -> None:
    injuries = schedule(replace(ASKED, seed=seed, faults=Faults(kill=0.4)))
    assert len(of_kind(injuries, Kind.KILL)) == len(of_kind(injuries, Kind.LOSE_MACHINE)) == 2


@pytest.mark.parametrize("seed", range(10))
def test_no_worker_is_injured_twice_while_there_are_others(seed: int) -> None:
    faults = Faults(kill=0.3, spot=0.2, zombie=True, full_disk=True, slow_shared=True)
    seats = [injury.seat for injury in schedule(replace(ASKED, seed=seed, faults=faults)) if injury.kind in ON_WORKERS]
    assert len(seats) == len(set(seats)) == 8
    assert set(seats) <= set(range(1, 11))


@pytest.mark.parametrize("seed", range(10))
def test_injuries_come_in_their_order_and_in_the_midst_of_the_work(seed: int) -> None:
    moments = [injury.progress for injury in schedule(replace(ASKED, seed=seed))]
    assert moments == sorted(moments)
    assert all(EARLIEST <= moment <= LATEST for moment in moments)


def test_a_zombie_wakes_after_its_lease_has_ended() -> None:
    (freeze,) = schedule(replace(ASKED, faults=Faults(zombie=True), lease_seconds=6))
    assert freeze.seconds > 6


def test_a_drill_that_names_no_fault_does_none_by_itself() -> None:
    assert schedule(replace(ASKED, faults=Faults())) == ()


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (Faults(spot=0.1), Kind.SPOT_NOTICE),
        (Faults(restart_database=True), Kind.RESTART_DATABASE),
        (Faults(database_outage=150), Kind.DATABASE_OUTAGE),
        (Faults(restart_queue=True), Kind.RESTART_QUEUE),
        (Faults(kill_server=True), Kind.KILL_SERVER),
        (Faults(full_disk=True), Kind.FILL_DISK),
        (Faults(slow_shared=True), Kind.SLOW_SHARED),
        (Faults(zombie=True), Kind.FREEZE),
    ],
)
def test_what_is_asked_for_is_done_once(faults: Faults, kind: Kind) -> None:
    assert [injury.kind for injury in schedule(replace(ASKED, faults=faults))] == [kind]


def test_trials_outlast_the_beginning_of_an_outage_and_some_end_in_it() -> None:
    shortest, longest = replace(ASKED, faults=Faults(database_outage=150)).trial_seconds
    assert 30 < shortest < 150 < longest
