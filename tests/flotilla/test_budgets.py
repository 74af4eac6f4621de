"""What becomes of a run: a table of named cases, without a clock or a database."""

import pytest

from flotilla.budgets import (
    BACKOFF_SECONDS,
    FORGIVEN_INFRASTRUCTURE,
    FORGIVEN_LOST,
    FORGIVEN_PREEMPTED,
    MOST_UNCHARGED,
    Budget,
    Decision,
    History,
    decide,
)
from flotilla.causes import FINAL, Cause
from flotilla.states import RunState, TrialState

AGAIN, OVER = RunState.PENDING, RunState.ERRORED


def _decide(ending: TrialState, cause: Cause | None = None, **history: int | bool) -> Decision:
    return decide(ending=ending, cause=cause, history=History(**history))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ending", "cause", "tallies", "state"),
    [
        (TrialState.PREEMPTED, Cause.SPOT_RECLAIMED, {"preempted": FORGIVEN_PREEMPTED - 1}, AGAIN),
        (TrialState.PREEMPTED, Cause.SPOT_RECLAIMED, {"preempted": FORGIVEN_PREEMPTED}, OVER),
        (TrialState.LOST, Cause.HOST_LOST, {"lost": FORGIVEN_LOST - 1}, AGAIN),
        (TrialState.LOST, Cause.HOST_LOST, {"lost": FORGIVEN_LOST}, OVER),
        (TrialState.ERRORED, Cause.SANDBOX, {"infrastructure": FORGIVEN_INFRASTRUCTURE - 1}, AGAIN),
        (TrialState.ERRORED, Cause.SANDBOX, {"infrastructure": FORGIVEN_INFRASTRUCTURE}, OVER),
        (TrialState.ERRORED, Cause.VERIFIER, {"max_trials": 1}, OVER),
        (TrialState.ERRORED, Cause.VERIFIER, {"max_trials": 2}, AGAIN),
        (TrialState.ERRORED, Cause.VERIFIER, {"max_trials": 2, "own_errors": 1}, OVER),
        (TrialState.PREEMPTED, Cause.GIVEN_BACK, {"uncharged": MOST_UNCHARGED - 1}, AGAIN),
        (TrialState.PREEMPTED, Cause.GIVEN_BACK, {"uncharged": MOST_UNCHARGED}, OVER),
    ],
)
def test_an_ending_is_forgiven_until_its_own_budget_is_used_up(
    ending: TrialState, cause: Cause, tallies: dict[str, int], state: RunState
) -> None:
    assert _decide(ending, cause, **tallies).state is state


def test_a_graded_trial_ends_its_run_even_if_cancellation_was_asked_for() -> None:
    assert _decide(TrialState.GRADED, cancel_requested=True) == Decision(state=RunState.GRADED, charge=None)


@pytest.mark.parametrize("ending", [TrialState.PREEMPTED, TrialState.LOST, TrialState.ERRORED, TrialState.CANCELLED])
def test_a_cancelled_run_is_not_tried_again(ending: TrialState) -> None:
    assert _decide(ending, Cause.HOST_LOST, cancel_requested=True).state is RunState.CANCELLED


def test_preemption_and_loss_are_charged_to_nothing_that_the_run_did() -> None:
    assert _decide(TrialState.PREEMPTED, max_trials=1).charge is Budget.PREEMPTED
    assert _decide(TrialState.LOST, max_trials=1).charge is Budget.LOST


def test_a_run_that_its_worker_did_not_know_of_is_charged_to_nothing() -> None:
    decision = _decide(TrialState.PREEMPTED, Cause.GIVEN_BACK, preempted=FORGIVEN_PREEMPTED)
    assert decision == Decision(state=AGAIN, charge=None)


@pytest.mark.parametrize("cause", sorted(FINAL))
def test_what_a_further_trial_would_only_meet_again_ends_the_run_at_once(cause: Cause) -> None:
    assert _decide(TrialState.ERRORED, cause, max_trials=5) == Decision(state=OVER, charge=Budget.OWN_ERRORS)


@pytest.mark.parametrize("before", range(FORGIVEN_INFRASTRUCTURE))
def test_an_infrastructure_fault_is_tried_again_after_a_longer_and_longer_wait(before: int) -> None:
    decision = _decide(TrialState.ERRORED, Cause.IMAGE_UNAVAILABLE, infrastructure=before)
    assert decision.backoff_seconds == BACKOFF_SECONDS[before]


def test_only_an_infrastructure_fault_waits() -> None:
    assert _decide(TrialState.PREEMPTED).backoff_seconds == 0
    assert _decide(TrialState.ERRORED, Cause.AGENT, max_trials=5).backoff_seconds == 0


def test_a_trial_that_still_runs_decides_nothing() -> None:
    with pytest.raises(ValueError, match="still runs"):
        _decide(TrialState.RUNNING)
