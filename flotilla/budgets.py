"""What becomes of a run when its trial ends: one pure decision over the ending, its cause and the run's history."""

from dataclasses import dataclass
from enum import StrEnum

from flotilla.causes import FINAL, INFRASTRUCTURE, Cause
from flotilla.states import RunState, TrialState

FORGIVEN_PREEMPTED = 20
FORGIVEN_LOST = 5
FORGIVEN_INFRASTRUCTURE = 3
MOST_UNCHARGED = 10
"""Trials that were given back and charged to nothing, which a run may have: a worker that forgets each run that it
claims must not have it for ever."""
BACKOFF_SECONDS = (5, 15, 45)
"""How long a run waits after its first, second and third infrastructure ending."""


class Budget(StrEnum):
    """Which of a run's tallies an ending is charged to; the value is the column's name."""

    PREEMPTED = "preempted"
    LOST = "lost"
    INFRASTRUCTURE = "infrastructure"
    OWN_ERRORS = "own_errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A run's tallies before this ending, its job's limit, and whether its end was asked for.

    `uncharged` counts the earlier trials that were charged to no tally.
    """

    preempted: int = 0
    lost: int = 0
    infrastructure: int = 0
    own_errors: int = 0
    uncharged: int = 0
    max_trials: int = 1
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where the run goes, what the ending is charged to, and how long the run must wait first (seconds)."""

    state: RunState
    charge: Budget | None
    backoff_seconds: int = 0


def _forgiven(budget: Budget, cause: Cause | None, history: History) -> int:
    return {
        Budget.PREEMPTED: FORGIVEN_PREEMPTED,
        Budget.LOST: FORGIVEN_LOST,
        Budget.INFRASTRUCTURE: FORGIVEN_INFRASTRUCTURE,
        Budget.OWN_ERRORS: 0 if cause in FINAL else history.max_trials - 1,
    }[budget]


def budget_of(ending: TrialState, cause: Cause | None) -> Budget | None:
    """The tally that an ending is charged to; a graded, a cancelled and a given back trial are charged to none."""
    if ending is TrialState.PREEMPTED:
        return None if cause is Cause.GIVEN_BACK else Budget.PREEMPTED
    if ending is TrialState.LOST:
        return Budget.LOST
    if ending is TrialState.ERRORED:
        return Budget.INFRASTRUCTURE if cause in INFRASTRUCTURE else Budget.OWN_ERRORS
    return None


def decide(*, ending: TrialState, cause: Cause | None, history: History) -> Decision:
    """A graded trial ends its run; a cancelled run ends; else the run is tried again while its budget lasts.

    Raises ValueError for a trial that has not ended.
    """
    if ending is TrialState.RUNNING:
        raise ValueError("a trial that still runs decides nothing; give its ending")
    budget = budget_of(ending, cause)
    if ending is TrialState.GRADED:
        return Decision(state=RunState.GRADED, charge=None)
    if history.cancel_requested or ending is TrialState.CANCELLED:
        return Decision(state=RunState.CANCELLED, charge=budget)
    if budget is None:
        over = history.uncharged >= MOST_UNCHARGED
        return Decision(state=RunState.ERRORED if over else RunState.PENDING, charge=None)
    charged = getattr(history, budget.value) + 1
    if charged > _forgiven(budget, cause, history):
        return Decision(state=RunState.ERRORED, charge=budget)
    backoff = BACKOFF_SECONDS[min(charged, len(BACKOFF_SECONDS)) - 1] if budget is Budget.INFRASTRUCTURE else 0
    return Decision(state=RunState.PENDING, charge=budget, backoff_seconds=backoff)
