"""Every arrow from every state: each step of the store in each state does what the table says, and else nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Row, text

from flotilla.causes import Cause
from flotilla.states import ARROWS, RunState, TrialState
from flotilla.store.dispatching import forget_messages, mark_sent
from flotilla.store.endings import Ending, LeaseLost, take_back_expired, take_back_from_former
from flotilla.store.jobs import cancel_job
from flotilla.store.leases import Lease
from flotilla.store.rescuing import send_again
from flotilla.store.undelivered import deliver_again, undelivered
from tests.flotilla.fleet import Fleet
from tests.flotilla.store.invariants import check

GRADED = Ending(state=TrialState.GRADED, rewards={"reward": 1.0})
ERRORED = Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER)
FAULTY = Ending(state=TrialState.ERRORED, cause=Cause.SANDBOX)
PREEMPTED = Ending(state=TrialState.PREEMPTED, cause=Cause.SPOT_RECLAIMED)
STOPPED = Ending(state=TrialState.CANCELLED, cause=Cause.CANCELLED)

type Step = Callable[[Fleet, str, Lease], object]


def _finish(ending: Ending) -> Step:
    def finish(fleet: Fleet, _: str, lease: Lease) -> None:
        try:
            fleet.finish(lease, ending)
        except LeaseLost:
            assert fleet.row(lease.run_id).trial_id != lease.trial_id or fleet.row(lease.run_id).finished_at

    return finish


def _expire(fleet: Fleet, run_id: str) -> None:
    change = text("UPDATE runs SET lease_until = now() WHERE id = :run AND state = 'running'")
    fleet.do(lambda c: c.execute(change, {"run": run_id}))


def _lose(fleet: Fleet, run_id: str, _: Lease) -> None:
    _expire(fleet, run_id)
    fleet.do(take_back_expired)


def _claim_expired(fleet: Fleet, run_id: str, _: Lease) -> None:
    _expire(fleet, run_id)
    fleet.ticked()
    fleet.claim(run_id, fleet.worker("other"))


def _reincarnate(fleet: Fleet, _: str, __: Lease) -> None:
    reborn = fleet.worker("first")
    fleet.do(lambda c: take_back_from_former(c, worker_name="first", worker_id=reborn))


def _cancel(fleet: Fleet, run_id: str, _: Lease | None = None) -> None:
    fleet.do(lambda c: cancel_job(c, job_id=fleet.row(run_id).job_id))


def _cancel_and_give_back(fleet: Fleet, run_id: str, lease: Lease) -> None:
    _cancel(fleet, run_id)
    _finish(PREEMPTED)(fleet, run_id, lease)


def _hold(fleet: Fleet, run_id: str, _: Lease) -> None:
    wait = text(
        "UPDATE runs SET not_before = now() + interval '1 h' WHERE id = :run AND state IN ('pending', 'queued')"
    )
    fleet.do(lambda c: c.execute(wait, {"run": run_id}))
    fleet.claim(run_id, fleet.worker("other"))


def _die(fleet: Fleet, run_id: str) -> None:
    sent_at = fleet.do(lambda c: c.execute(text("SELECT now()")).scalar_one())
    fleet.do(lambda c: undelivered(c, run_id=run_id, sent_at=sent_at))


def _die_twice(fleet: Fleet, run_id: str, _: Lease) -> None:
    _die(fleet, run_id)
    _die(fleet, run_id)


STEPS: dict[str, Step] = {
    "send": lambda fleet, run_id, _: fleet.do(lambda c: mark_sent(c, [run_id])),
    "forget": lambda fleet, _, __: fleet.do(forget_messages),
    "rescue": lambda fleet, _, __: fleet.do(lambda c: send_again(c, queued_seconds=0, elsewhere_seconds=0, most=10)),
    "claim": lambda fleet, run_id, _: fleet.claim(run_id, fleet.worker("other")),
    "claim expired": _claim_expired,
    "hold": _hold,
    "renew": lambda fleet, run_id, _: fleet.renew(fleet.row(run_id).worker_id or fleet.worker("other")),
    "grade": _finish(GRADED),
    "error": _finish(ERRORED),
    "fault": _finish(FAULTY),
    "preempt": _finish(PREEMPTED),
    "stop": _finish(STOPPED),
    "lose": _lose,
    "reincarnate": _reincarnate,
    "cancel": _cancel,
    "cancel and give back": _cancel_and_give_back,
    "dead letter": lambda fleet, run_id, _: _die(fleet, run_id),
    "dead letters": _die_twice,
    "redrive": lambda fleet, run_id, _: fleet.do(lambda c: deliver_again(c, run_ids=[run_id])),
}

P, Q, R = RunState.PENDING, RunState.QUEUED, RunState.RUNNING
TAKEN: dict[tuple[RunState, str], RunState] = {
    (P, "send"): Q,
    (P, "claim"): R,
    (P, "claim expired"): R,
    (P, "cancel"): RunState.CANCELLED,
    (P, "cancel and give back"): RunState.CANCELLED,
    (P, "dead letters"): RunState.ERRORED,
    (Q, "forget"): P,
    (Q, "rescue"): P,
    (Q, "hold"): P,
    (Q, "dead letter"): P,
    (Q, "redrive"): P,
    (Q, "claim"): R,
    (Q, "claim expired"): R,
    (Q, "cancel"): RunState.CANCELLED,
    (Q, "cancel and give back"): RunState.CANCELLED,
    (Q, "dead letters"): RunState.ERRORED,
    (R, "grade"): RunState.GRADED,
    (R, "error"): RunState.ERRORED,
    (R, "fault"): P,
    (R, "preempt"): P,
    (R, "stop"): RunState.CANCELLED,
    (R, "lose"): P,
    (R, "reincarnate"): P,
    (R, "cancel and give back"): RunState.CANCELLED,
    (R, "claim expired"): R,
}
"""Where a step takes a run that stands there; a step that is not named changes no run's state, token or trial."""


def _bring(fleet: Fleet, state: RunState) -> tuple[str, Lease]:
    """A run in that state which had a trial before, and that trial's lease."""
    (run_id,) = fleet.job()
    lease = fleet.claimed(run_id, fleet.worker("first")).lease
    ways: dict[RunState, list[Step]] = {
        RunState.PENDING: [STEPS["preempt"]],
        RunState.QUEUED: [STEPS["preempt"], STEPS["send"]],
        RunState.RUNNING: [],
        RunState.GRADED: [STEPS["grade"]],
        RunState.ERRORED: [STEPS["error"]],
        RunState.CANCELLED: [STEPS["cancel and give back"]],
    }
    for step in ways[state]:
        step(fleet, run_id, lease)
    assert fleet.row(run_id).state == state
    return run_id, lease


def _fixed(run: Row[Any]) -> tuple[object, ...]:
    return (run.state, run.token, run.trial_id, run.worker_id, run.trials, run.reward, run.cause, run.finished_at)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_takes_a_run_where_the_table_says_and_nowhere_else(fleet: Fleet, step: str) -> None:
    for state in RunState:
        run_id, lease = _bring(fleet, state)
        before = fleet.row(run_id)
        STEPS[step](fleet, run_id, lease)
        after = check(fleet)[run_id]
        if (state, step) in TAKEN:
            assert (after.state, after.token > before.token or after.state in (P, Q)) == (TAKEN[state, step], True)
        else:
            assert _fixed(after) == _fixed(before), f"{step} changed a run that was {state}"


def test_the_steps_take_every_arrow_of_the_picture_and_no_other() -> None:
    taken = {(state, after) for (state, _), after in TAKEN.items() if after is not state}
    assert taken == {(state, after) for state, ways_out in ARROWS.items() for after in ways_out}
