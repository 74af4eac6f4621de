"""What the kernel counts of a host's stalls, and what is made of it."""

from pathlib import Path

import pytest

from flotilla.causes import Cause
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from tests.worker_agent.test_fitness import Host
from tests.worker_agent.test_slots import in_a_loop
from worker_agent import pressure
from worker_agent.fitness import MOST_FAILED
from worker_agent.pressure import Stalls

CPU = "some avg10=90.00 avg60=1.00 avg300=0.50 total=4000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
OTHER = "some avg10=70.12 avg60=1.00 avg300=0.50 total=9000000\nfull avg10=31.50 avg60=0.00 avg300=0.00 total=2500000\n"


def _stalls(at: float = 0, *, cpu: float = 0, memory: float = 0, io: float = 0, lately: float = 0) -> Stalls:
    return Stalls(at=at, seconds={"cpu": cpu, "memory": memory, "io": io}, lately={"cpu": 1, "memory": 0, "io": lately})


def _kernel(place: Path, **files: str) -> Path:
    for name, content in {"cpu": CPU, "memory": OTHER, "io": OTHER, **files}.items():
        (place / name).write_text(content)
    return place


def test_the_kernels_own_words_are_read(tmp_path: Path) -> None:
    read = pressure.read(_kernel(tmp_path))
    assert read is not None
    assert read.seconds == {"cpu": 4.0, "memory": 2.5, "io": 2.5}
    assert read.lately == {"cpu": 0.9, "memory": 0.315, "io": 0.315}


def test_a_kernel_that_does_not_count_says_nothing(tmp_path: Path) -> None:
    assert pressure.read(tmp_path) is None
    assert pressure.read(_kernel(tmp_path, io="some avg10=1.00\n")) is None
    assert pressure.conditions(None, None, limit=0.4) == {"stalled": None, "contended": None}


@pytest.mark.parametrize(("cpu", "contended"), [(3.9, False), (4.1, True)])
def test_a_trial_is_contended_when_its_host_stood_still_for_more_than_the_limit(cpu: float, contended: bool) -> None:
    told = pressure.conditions(_stalls(10, cpu=1, io=1), _stalls(20, cpu=1 + cpu, io=1.5), limit=0.4)
    assert told == {"stalled": {"cpu": cpu / 10, "memory": 0.0, "io": 0.05}, "contended": contended}


def test_waiting_for_a_cpu_alone_pauses_nothing() -> None:
    assert pressure.pressing(_stalls(), limit=0.25, was_pressing=False) is None


@pytest.mark.parametrize(
    ("lately", "was", "presses"), [(0.3, False, True), (0.2, False, False), (0.2, True, True), (0.1, True, False)]
)
def test_who_paused_goes_on_only_at_half_the_limit(lately: float, was: bool, presses: bool) -> None:
    assert (pressure.pressing(_stalls(lately=lately), limit=0.25, was_pressing=was) is not None) == presses


@in_a_loop
async def test_receiving_pauses_under_pressure_says_why_and_goes_on_after_it() -> None:
    host = Host()
    recovery = host.recovery(stalls=lambda: _stalls(lately=0.9))
    host.in_hand = 3
    await recovery.look_at_pressure()
    assert (host.slots.free, "io 90%" in (recovery.unfit or "")) == (0, True)
    host.in_hand = 0
    await recovery.look_at_pressure()
    assert (host.slots.free, recovery.unfit) == (20, None)


@in_a_loop
async def test_no_host_is_given_up_for_pressure() -> None:
    host = Host()
    recovery = host.recovery(stalls=lambda: _stalls(lately=0.9))
    host.in_hand = 3
    await recovery.look_at_pressure()
    for _ in range(2):
        await recovery.despair()
        host.now += 10_000
    assert host.given_up == []


@in_a_loop
async def test_a_host_that_stalls_now_and_then_is_still_found_sick() -> None:
    host, lately = Host(in_hand=3), 0.0
    recovery = host.recovery(stalls=lambda: _stalls(lately=lately))
    failed = Ending(state=TrialState.ERRORED, cause=Cause.HOST_RESOURCE)
    for _ in range(MOST_FAILED):
        began = host.slots.term
        lately = 0.9
        await recovery.look_at_pressure()
        lately = 0.0
        await recovery.look_at_pressure()
        await recovery.ended(failed, term=began)
    assert (host.slots.free, "3 trials in a row" in (recovery.unfit or "")) == (0, True)


@in_a_loop
async def test_a_host_that_is_sick_stays_closed_when_its_stalls_are_over() -> None:
    host, lately = Host(in_hand=3), 0.9
    recovery = host.recovery(stalls=lambda: _stalls(lately=lately))
    await recovery.look_at_pressure()
    for _ in range(MOST_FAILED):
        await recovery.ended(Ending(state=TrialState.ERRORED, cause=Cause.HOST_RESOURCE), term=host.slots.term)
    lately = 0.0
    await recovery.look_at_pressure()
    assert (host.slots.free, "3 trials in a row" in (recovery.unfit or "")) == (0, True)
