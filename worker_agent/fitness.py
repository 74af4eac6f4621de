"""Whether a worker may take runs on: one decision after each ending and after each checkup.

    fit ── three infrastructure endings in a row ──▶ sick ── checked, and healthy ──▶ probation ── one graded ──▶ fit
                                                      ▲                                  │
                                                      └──── an infrastructure ending ────┘

A sick host takes no run on: it would fail it within seconds and ask for the next, until it had eaten the queue.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from flotilla.causes import INFRASTRUCTURE, Cause
from flotilla.states import TrialState

MOST_FAILED = 3
"""Infrastructure endings in a row, without a graded one, that a host is given."""
PROBATION_PASSED = 3
"""Trials on probation that ended for reasons of their own show as much as a graded one: there may be none to be had."""
FIRST_PAUSE_SECONDS = 30.0
"""Between the first checkup, which is made at once, and the second; doubled up to the longest."""
LONGEST_PAUSE_SECONDS = 300.0
HOPELESS_SECONDS = 900.0
"""A host that was unfit for so long is replaced where that is possible: a new one boots in a third of it."""


class Phase(StrEnum):
    """What a worker's host is trusted with."""

    FIT = "fit"
    """All slots."""
    SICK = "sick"
    """No run at all."""
    PROBATION = "probation"
    """One run at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Where a host stands, and why, if it is not fit.

    `failed` infrastructure endings in a row, `passed` other ones on probation, `checkups` since it was last fit.
    """

    phase: Phase = Phase.FIT
    failed: int = 0
    passed: int = 0
    checkups: int = 0
    reason: str | None = None

    @property
    def most(self) -> int | None:
        """How many runs it may have at a time; None for all its slots."""
        return {Phase.FIT: None, Phase.SICK: 0, Phase.PROBATION: 1}[self.phase]

    @property
    def pause_seconds(self) -> float:
        """How long a sick host waits before its next checkup."""
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** (self.checkups - 1)
        return min(doubled, LONGEST_PAUSE_SECONDS) if self.checkups else 0.0


def after_ending(fitness: Fitness, *, ending: TrialState, cause: Cause | None) -> Fitness:
    """A trial ended that began in this phase. What was cancelled, preempted or lost says nothing of the host."""
    if fitness.phase is Phase.SICK or ending not in (TrialState.GRADED, TrialState.ERRORED):
        return fitness
    if ending is TrialState.GRADED:
        return Fitness()
    if cause in INFRASTRUCTURE:
        return _failed(fitness, cause)
    if fitness.phase is Phase.FIT:
        return fitness
    passed = fitness.passed + 1
    return Fitness() if passed >= PROBATION_PASSED else replace(fitness, passed=passed)


def after_checkup(fitness: Fitness, *, broken: str | None) -> Fitness:
    """A sick host was checked; `broken` says what is, or None if nothing was found."""
    if broken is not None:
        return replace(fitness, checkups=fitness.checkups + 1, reason=broken)
    reason = f"one run at a time until one is graded, after this: {fitness.reason}"
    return Fitness(phase=Phase.PROBATION, checkups=fitness.checkups + 1, reason=reason)


def _failed(fitness: Fitness, cause: Cause | None) -> Fitness:
    failed = fitness.failed + 1
    if fitness.phase is Phase.PROBATION:
        return Fitness(phase=Phase.SICK, checkups=fitness.checkups, reason=f"its trial on probation ended for {cause}")
    if failed < MOST_FAILED:
        return replace(fitness, failed=failed)
    return Fitness(phase=Phase.SICK, reason=f"{failed} trials in a row ended for infrastructure, the last for {cause}")
