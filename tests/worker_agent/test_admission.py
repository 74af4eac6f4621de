"""Which runs a host takes on: no more than may be promised, and none of them for ever last."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla.states import WaitingOn
from flotilla.store.room import Declared
from worker_agent.admission import FORGOTTEN_SECONDS, MOST_REFUSALS, Admission, Admitted, Turned
from worker_agent.capacity import Capacity

GIB = 1024
HOST = Declared(cpus=8, memory_mb=32 * GIB, storage_mb=200 * GIB)
WORKER = Capacity(host=HOST, cpu_overcommit=8, memory_overcommit=4, storage_overcommit=8)
EXACT = Capacity(host=HOST, cpu_overcommit=1, memory_overcommit=1, storage_overcommit=1)
SMALL, LARGE = Declared(memory_mb=2 * GIB), Declared(memory_mb=20 * GIB)


@dataclass(slots=True)
class Clock:
    now: float = 0.0
    admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.admission = Admission(EXACT, clock=lambda: self.now)


def _admitted(admission: Admission, run_id: str, declared: Declared) -> Admitted:
    answer = admission.admit(run_id, declared)
    assert isinstance(answer, Admitted)
    return answer


def _fill(admission: Admission, declared: Declared = SMALL) -> list[Admitted]:
    places: list[Admitted] = []
    while isinstance(answer := admission.admit(f"run-{len(places)}", declared), Admitted):
        places.append(answer)
    return places


def test_sixty_tasks_of_two_gibibytes_fit_a_worker_only_by_overcommit_and_each_says_so() -> None:
    admission = Admission(WORKER)
    conditions = [_admitted(admission, f"run-{number}", SMALL).conditions for number in range(60)]
    assert conditions[-1] == {
        "declared": {"cpus": 0, "memory_mb": 2 * GIB, "storage_mb": 0},
        "host": {"cpus": 8, "memory_mb": 32 * GIB, "storage_mb": 200 * GIB},
        "promised": {"cpus": 0, "memory_mb": 120 * GIB, "storage_mb": 0},
        "overcommit": {"cpus": 8, "memory": 4, "storage": 8},
    }
    assert len(_fill(Admission(EXACT))) == 16


@pytest.mark.parametrize(
    ("declared", "named", "detail"),
    [
        (Declared(cpus=4.5), WaitingOn.CPUS, "4.5 CPUs asked, 3.5 of 8 free"),
        (Declared(memory_mb=17 * GIB), WaitingOn.MEMORY, "17,408 MB of memory asked, 15,360 of 32,768 free"),
        (Declared(storage_mb=101 * GIB), WaitingOn.STORAGE, "103,424 MB of storage asked, 101,376 of 204,800 free"),
    ],
)
def test_what_does_not_fit_now_is_told_which_resource_is_short_and_by_how_much(
    declared: Declared, named: WaitingOn, detail: str
) -> None:
    admission = Admission(EXACT)
    _admitted(admission, "first", declared)
    assert admission.admit("second", declared) == Turned(waiting_on=named, detail=detail, reserved=False)


def test_what_is_over_gives_its_room_back() -> None:
    admission = Admission(EXACT)
    for place in _fill(admission):
        admission.release(place)
    assert len(_fill(admission)) == 16


def test_what_declares_nothing_is_always_let_in() -> None:
    admission = Admission(EXACT)
    _fill(admission)
    assert _admitted(admission, "plain", Declared()).never_fits is None


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Declared(cpus=9), "declares 9 CPUs, a worker has 8: lower [environment] cpus"),
        (Declared(memory_mb=40000), "declares 40000 MB of memory, a worker has 32768"),
        (Declared(storage_mb=1e6), "declares 1e+06 MB of storage"),
    ],
)
def test_more_than_a_whole_host_has_never_fits_whatever_the_overcommit(declared: Declared, words: str) -> None:
    admission = Admission(WORKER)
    place = _admitted(admission, "giant", declared)
    assert words in (place.never_fits or "")
    assert len(_fill(admission)) == 64


def test_after_three_refusals_room_is_kept_for_the_large_run_and_then_it_gets_in() -> None:
    admission = Admission(EXACT)
    places = _fill(admission)
    answers = [admission.admit("large", LARGE) for _ in range(MOST_REFUSALS)]
    assert [answer.reserved for answer in answers if isinstance(answer, Turned)] == [False, False, True]
    details = []
    for place in places[:9]:
        admission.release(place)
        turned = admission.admit("small", SMALL)
        assert isinstance(turned, Turned)
        details.append(turned.detail)
    assert details[-1] == (
        "2,048 MB of memory asked, 18,432 of 32,768 free, 20,480 of that kept for a run that was refused before"
    )
    admission.release(places[9])
    _admitted(admission, "large", LARGE)


def test_of_two_large_runs_the_one_that_was_refused_first_gets_in_first_however_often_it_asked() -> None:
    admission = Admission(EXACT)
    places = _fill(admission)
    for run_id in ["first", "second"] * MOST_REFUSALS + ["first"]:
        assert isinstance(admission.admit(run_id, LARGE), Turned)
    for place in places:
        admission.release(place)
    assert isinstance(admission.admit("second", LARGE), Turned)
    _admitted(admission, "first", LARGE)


def test_room_is_no_longer_kept_for_a_run_that_is_not_seen_again() -> None:
    clock = Clock()
    places = _fill(clock.admission)
    for _ in range(MOST_REFUSALS):
        clock.admission.admit("large", LARGE)
    clock.admission.release(places[0])
    assert isinstance(clock.admission.admit("small", SMALL), Turned)
    clock.now += FORGOTTEN_SECONDS + 1
    assert isinstance(clock.admission.admit("small", SMALL), Admitted)


def test_a_worker_says_how_many_slots_it_can_fill_with_what_waits() -> None:
    admission = Admission(EXACT)
    assert admission.room(60) == 60
    places = _fill(admission)
    assert admission.room(44) == 0
    for place in places[:3]:
        admission.release(place)
    assert admission.room(47) == 3


NEEDS = st.builds(
    Declared, cpus=st.integers(0, 8), memory_mb=st.integers(0, 32 * GIB), storage_mb=st.integers(0, 200 * GIB)
)


@given(st.lists(st.one_of(NEEDS, st.integers(0, 5)), max_size=60))
def test_never_is_more_promised_than_may_be(steps: list[Declared | int]) -> None:
    admission = Admission(EXACT)
    places: list[Admitted] = []
    for number, step in enumerate(steps):
        if isinstance(step, Declared):
            answer = admission.admit(f"run-{number % 7}", step)
            places += [answer] if isinstance(answer, Admitted) else []
        elif step < len(places):
            admission.release(places.pop(step))
        for name in ("cpus", "memory_mb", "storage_mb"):
            assert 0 <= sum(getattr(place.given, name) for place in places) <= getattr(HOST, name)


@given(st.lists(NEEDS, min_size=1, max_size=30))
def test_a_run_that_comes_again_and_again_gets_in_while_others_end(others: list[Declared]) -> None:
    admission = Admission(EXACT)
    places = [_admitted(admission, "first", Declared(memory_mb=32 * GIB, cpus=8))]
    large = Declared(memory_mb=32 * GIB, cpus=8, storage_mb=1)
    for _ in range(MOST_REFUSALS):
        assert isinstance(admission.admit("large", large), Turned)
    for number, other in enumerate(others):
        answer = admission.admit(f"other-{number}", other)
        places += [answer] if isinstance(answer, Admitted) else []
    for place in places:
        admission.release(place)
    _admitted(admission, "large", large)
