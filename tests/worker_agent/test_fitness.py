"""A sick host: what makes one, what it may do, and how it is trusted again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce, wraps
from pathlib import Path

import pytest

from flotilla.causes import Cause
from flotilla.states import Priority, TrialState
from flotilla.store.endings import Ending
from worker_agent.fitness import HOPELESS_SECONDS, Fitness, Phase, after_checkup, after_ending
from worker_agent.health.finding import Finding, broken, healthy
from worker_agent.pressure import Stalls
from worker_agent.recovery import Recovery
from worker_agent.slots import Slots

GRADED = Ending(state=TrialState.GRADED)
NO_DOCKER = Ending(state=TrialState.ERRORED, cause=Cause.SANDBOX)
NO_DISK = Ending(state=TrialState.ERRORED, cause=Cause.HOST_RESOURCE)
ITS_OWN = Ending(state=TrialState.ERRORED, cause=Cause.AGENT)
PREEMPTED = Ending(state=TrialState.PREEMPTED, cause=Cause.SPOT_RECLAIMED)
FAULT = broken("docker", "it starts nothing", mend="restart it")

PROBATION = Fitness(phase=Phase.PROBATION, checkups=1, reason="one at a time")
SICK = Fitness(phase=Phase.SICK, reason="three in a row")


def after(fitness: Fitness, *endings: Ending) -> Fitness:
    return reduce(lambda now, one: after_ending(now, ending=one.state, cause=one.cause), endings, fitness)


@pytest.mark.parametrize(
    ("endings", "phase"),
    [
        ([NO_DOCKER, NO_DOCKER], "fit"),
        ([NO_DOCKER, NO_DISK, NO_DOCKER], "sick"),
        ([NO_DOCKER, NO_DOCKER, GRADED, NO_DOCKER, NO_DOCKER], "fit"),
        ([NO_DOCKER, NO_DOCKER, ITS_OWN, PREEMPTED, NO_DOCKER], "sick"),
        ([ITS_OWN] * 5, "fit"),
        ([PREEMPTED] * 5, "fit"),
    ],
)
def test_three_infrastructure_endings_without_a_graded_one_make_a_host_sick(
    endings: Sequence[Ending], phase: str
) -> None:
    assert after(Fitness(), *endings).phase == phase


@pytest.mark.parametrize(
    ("endings", "phase"),
    [
        ([GRADED], "fit"),
        ([NO_DOCKER], "sick"),
        ([ITS_OWN, ITS_OWN], "probation"),
        ([ITS_OWN, ITS_OWN, NO_DOCKER], "sick"),
        ([ITS_OWN, ITS_OWN, ITS_OWN], "fit"),
        ([PREEMPTED] * 5, "probation"),
    ],
)
def test_on_probation_one_graded_run_is_enough_and_one_infrastructure_ending_too_much(
    endings: Sequence[Ending], phase: str
) -> None:
    assert after(PROBATION, *endings).phase == phase


def test_a_sick_host_heeds_no_ending_but_only_its_checkup() -> None:
    assert after(SICK, NO_DOCKER, GRADED, ITS_OWN) == SICK


def test_all_slots_are_for_the_fit_one_for_those_on_probation_none_for_the_sick() -> None:
    assert [Fitness().most, PROBATION.most, SICK.most] == [None, 1, 0]


def test_checkups_follow_at_growing_pauses_until_the_host_is_fit_again() -> None:
    fitness, pauses = SICK, []
    for _ in range(6):
        pauses.append(fitness.pause_seconds)
        fitness = after_checkup(fitness, broken="docker: it starts nothing")
    assert pauses == [0, 30, 60, 120, 240, 300]
    assert (fitness.phase, fitness.reason) == (Phase.SICK, "docker: it starts nothing")
    relapsed = after(after_checkup(fitness, broken=None), NO_DOCKER)
    assert (relapsed.phase, relapsed.pause_seconds) == (Phase.SICK, 300)
    assert after(after_checkup(relapsed, broken=None), GRADED) == Fitness()


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: object, **words: object) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **words), timeout=20))

    return run


@dataclass(slots=True)
class Host:
    """A host whose next checkup is written down, and a clock that is set."""

    findings: list[Finding] = field(default_factory=lambda: [healthy("docker", "well")])
    given_up: list[str] = field(default_factory=list)
    now: float = 0.0
    in_hand: int = 0
    slots: Slots = field(default_factory=lambda: Slots(20))
    examined: asyncio.Event = field(default_factory=asyncio.Event)

    def recovery(self, *, stalls: Callable[[], Stalls | None] = lambda: None) -> Recovery:
        return Recovery(
            self.slots,
            places=self._places,
            examine=self._examine,
            give_up=self._give_up,
            in_hand=lambda: self.in_hand,
            pause_stall=0.25,
            stalls=stalls,
            clock=lambda: self.now,
        )

    async def _places(self) -> Sequence[Path]:
        return [Path("/proc")]  # whose size is none: it is never short

    async def _examine(self) -> list[Finding]:
        self.examined.set()
        return self.findings

    async def _give_up(self, reason: str) -> None:
        self.given_up.append(reason)


@in_a_loop
async def test_a_worker_closes_its_slots_checks_itself_and_opens_one_and_then_all() -> None:
    host = Host()
    recovery = host.recovery()
    for _ in range(3):
        await recovery.ended(NO_DOCKER, term=host.slots.term)
    assert (host.slots.free, "3 trials in a row" in (recovery.unfit or "")) == (0, True)
    await recovery.recover_once()
    assert (host.slots.free, "one run at a time" in (recovery.unfit or "")) == (1, True)
    await recovery.ended(GRADED, term=host.slots.term)
    assert (host.slots.free, recovery.unfit) == (20, None)


@in_a_loop
async def test_trials_that_began_before_count_neither_against_the_probation_nor_for_it() -> None:
    host = Host()
    recovery = host.recovery()
    begun = host.slots.term
    for _ in range(20):
        await recovery.ended(NO_DOCKER, term=begun)
    await recovery.recover_once()
    for late in (NO_DOCKER, GRADED):
        await recovery.ended(late, term=begun)
    assert host.slots.free == 1


@in_a_loop
async def test_the_checkup_of_a_sick_host_comes_by_itself_and_its_reason_is_what_was_found() -> None:
    host = Host(findings=[healthy("disk", "plenty"), FAULT])
    recovery = host.recovery()
    running = asyncio.create_task(recovery.run())
    for _ in range(3):
        await recovery.ended(NO_DOCKER, term=host.slots.term)
    await host.examined.wait()
    await asyncio.sleep(0)
    assert recovery.unfit == "docker: it starts nothing"
    assert host.slots.free == 0
    running.cancel()


@in_a_loop
async def test_a_host_that_was_unfit_for_a_quarter_of_an_hour_is_given_up_once() -> None:
    host = Host(findings=[FAULT])
    recovery = host.recovery()
    for _ in range(3):
        await recovery.ended(NO_DOCKER, term=host.slots.term)
    for host.now in (1.0, HOPELESS_SECONDS, 1.0 + HOPELESS_SECONDS, 9 * HOPELESS_SECONDS):
        await recovery.despair()
        assert len(host.given_up) == (1 if host.now > HOPELESS_SECONDS else 0)


@in_a_loop
async def test_a_reservation_waits_until_the_host_is_trusted_again() -> None:
    host = Host()
    recovery = host.recovery()
    for _ in range(3):
        await recovery.ended(NO_DISK, term=host.slots.term)
    waiting = asyncio.create_task(host.slots.reserve(Priority.NORMAL))
    await recovery.recover_once()
    assert (await waiting).slots == 1
