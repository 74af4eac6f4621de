"""How a trial ends and what its run becomes: finished by its worker, given back, or taken back from a lost one.

Every way goes through `_end`: the trial is closed with its ending and cause, the budget charged, the token raised and
the run moved, all in the caller's transaction and under the run's row lock.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from sqlalchemy import Connection, Row, text

from flotilla.budgets import Decision, History, decide
from flotilla.causes import Cause
from flotilla.states import TERMINAL, RunState, TrialState, WaitingOn
from flotilla.store.documents import as_json, as_text
from flotilla.store.leadership import LEADER

_MESSAGE_CHARACTERS = 8_000  # of an exception's message that are kept in its row; the file has all


class LeaseLost(Exception):
    """The run is no longer this trial's: another trial has it, or it has ended. Keep the files, write nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a trial ended. `rewards` and `result` are given exactly when it was graded or Harbor wrote a result."""

    state: TrialState
    cause: Cause | None = None
    exception: str | None = None
    message: str | None = None
    log_tail: str | None = None
    rewards: Mapping[str, float] | None = None
    result: Mapping[str, Any] | None = field(default=None, repr=False)
    conditions: Mapping[str, Any] | None = None
    """What is to be added to the conditions that its trial began under."""

    @property
    def reward(self) -> float | None:
        """The value of Harbor's key `reward`, or the only key there is."""
        if not self.rewards:
            return None
        if "reward" in self.rewards:
            return self.rewards["reward"]
        return next(iter(self.rewards.values())) if len(self.rewards) == 1 else None

    def mapped(self, change: Callable[[str], str]) -> Self:
        """The same ending with `change` applied to every text of it, the result's included."""
        message, log_tail = self.message and change(self.message), self.log_tail and change(self.log_tail)
        result = None if self.result is None else json.loads(change(json.dumps(self.result)))
        return replace(self, message=message, log_tail=log_tail, result=result)


_LOCKED = """
    SELECT runs.id, runs.job_id, runs.trial_id, runs.preempted, runs.lost, runs.infrastructure, runs.own_errors,
        runs.trials - 1 - runs.preempted - runs.lost - runs.infrastructure - runs.own_errors AS uncharged,
        runs.cancel_requested, jobs.max_trials
    FROM runs JOIN jobs ON jobs.id = runs.job_id
    WHERE runs.state = 'running' AND {condition}
    ORDER BY runs.id
    FOR UPDATE OF runs {wait}
"""

_LOCK_LEASE = text(
    _LOCKED.format(condition="runs.id = :run AND runs.token = :token AND runs.trial_id = :trial", wait="")
)
_GOOD_STANDING = """EXISTS (
    SELECT FROM leaders
    WHERE name = :leader AND good_at >= now() - make_interval(secs => :gap) AND coalesce(quiet_until <= now(), true)
)"""

_LOCK_EXPIRED_RUN = text(
    _LOCKED.format(condition=f"runs.id = :run AND runs.lease_until <= now() AND {_GOOD_STANDING}", wait="")
)
_LOCK_EXPIRED = text(_LOCKED.format(condition="runs.lease_until <= now()", wait="SKIP LOCKED"))
_LOCK_FORMER = text(
    _LOCKED.format(condition="runs.worker_id IN (SELECT id FROM workers WHERE name = :name AND id <> :worker)", wait="")
)

_END_RUN = text("""
    UPDATE runs SET
        state = :state, token = token + 1, worker_id = NULL, lease_until = NULL,
        trial_id = CASE WHEN :terminal THEN trial_id END,
        preempted = preempted + CASE WHEN :charge = 'preempted' THEN 1 ELSE 0 END,
        lost = lost + CASE WHEN :charge = 'lost' THEN 1 ELSE 0 END,
        infrastructure = infrastructure + CASE WHEN :charge = 'infrastructure' THEN 1 ELSE 0 END,
        own_errors = own_errors + CASE WHEN :charge = 'own_errors' THEN 1 ELSE 0 END,
        waiting_on = CASE WHEN NOT :terminal THEN CAST(:waiting_on AS waiting_on) END,
        waiting_since = CASE WHEN NOT :terminal THEN now() END,
        not_before = CASE WHEN :backoff > 0 THEN now() + make_interval(secs => :backoff) END,
        finished_at = CASE WHEN :terminal THEN now() END,
        reward = :reward, rewards = CAST(:rewards AS jsonb), cause = :cause
    WHERE id = :run
""")

_END_TRIAL = text("""
    UPDATE trials SET state = :state, cause = :cause, exception = :exception, message = :message,
        log_tail = :log_tail, result = CAST(:result AS jsonb), finished_at = now(),
        conditions = coalesce(conditions || CAST(:conditions AS jsonb), conditions, CAST(:conditions AS jsonb))
    WHERE id = :trial AND state = 'running'
""")

_COUNT_DOWN = text("""
    UPDATE jobs SET
        open_runs = open_runs - :ended, any_cancelled = any_cancelled OR :cancelled,
        state = CASE WHEN open_runs > :ended THEN 'running'::job_state
                     WHEN any_cancelled OR :cancelled THEN 'cancelled' ELSE 'done' END,
        finished_at = CASE WHEN open_runs = :ended THEN now() END
    WHERE id = :job
""")

_ENDED_AS = text("SELECT state FROM trials WHERE id = :trial")


def count_down(connection: Connection, *, job_id: str, ended: int, cancelled: bool) -> None:
    """Tells a job that so many of its runs became terminal; the last one ends the job."""
    if ended:
        connection.execute(_COUNT_DOWN, {"job": job_id, "ended": ended, "cancelled": cancelled})


def finish(connection: Connection, *, run_id: str, token: int, trial_id: str, ending: Ending) -> RunState | None:
    """Ends a trial by its own worker, fenced by token and trial.

    Returns the run's new state, or None if this very ending was already written (its answer was lost).
    Raises LeaseLost if the run is no longer this trial's.
    """
    row = connection.execute(_LOCK_LEASE, {"run": run_id, "token": token, "trial": trial_id}).one_or_none()
    if row is not None:
        return _end(connection, row, ending)
    if connection.execute(_ENDED_AS, {"trial": trial_id}).scalar_one_or_none() == ending.state:
        return None
    raise LeaseLost(f"run {run_id} is no longer trial {trial_id}'s: nothing was written")


def give_back_unknown(connection: Connection, *, run_id: str, token: int, trial_id: str) -> RunState | None:
    """Gives back a run whose worker does not know that it has it; nothing is charged for it.

    Returns and raises what `finish` does.
    """
    ending = Ending(state=TrialState.PREEMPTED, cause=Cause.GIVEN_BACK)
    return finish(connection, run_id=run_id, token=token, trial_id=trial_id, ending=ending)


def take_back_expired_run(connection: Connection, *, run_id: str, gap_seconds: float) -> bool:
    """Takes one run back if its lease has expired and the pulse is in good standing; says whether it did.

    After the database was away all leases look expired, and whoever comes back first must be able to renew. Only a
    pulse that ticked lately, and is not quiet, tells that it was not away.
    """
    ask = {"run": run_id, "leader": LEADER, "gap": gap_seconds}
    row = connection.execute(_LOCK_EXPIRED_RUN, ask).one_or_none()
    if row is None:
        return False
    _end(connection, row, Ending(state=TrialState.LOST, cause=Cause.HOST_LOST))
    return True


def take_back_expired(connection: Connection) -> list[str]:
    """Takes back every run whose lease has expired; returns their ids."""
    rows = connection.execute(_LOCK_EXPIRED).all()
    return _end_all(connection, rows, Ending(state=TrialState.LOST, cause=Cause.HOST_LOST))


def take_back_from_former(connection: Connection, *, worker_name: str, worker_id: str) -> list[str]:
    """Takes back what earlier incarnations of this worker left running; returns the runs' ids."""
    rows = connection.execute(_LOCK_FORMER, {"name": worker_name, "worker": worker_id}).all()
    return _end_all(connection, rows, Ending(state=TrialState.LOST, cause=Cause.HOST_LOST))


def _end_all(connection: Connection, rows: Sequence[Row[Any]], ending: Ending) -> list[str]:
    for row in rows:
        _end(connection, row, ending)
    return [row.id for row in rows]


def _end(connection: Connection, row: Row[Any], ending: Ending) -> RunState:
    history = History(
        preempted=row.preempted,
        lost=row.lost,
        infrastructure=row.infrastructure,
        own_errors=row.own_errors,
        uncharged=row.uncharged,
        max_trials=row.max_trials,
        cancel_requested=row.cancel_requested,
    )
    decision = decide(ending=ending.state, cause=ending.cause, history=history)
    _move(connection, row, ending, decision)
    if decision.state in TERMINAL:
        cancelled = decision.state is RunState.CANCELLED
        count_down(connection, job_id=row.job_id, ended=1, cancelled=cancelled)
    return decision.state


def _move(connection: Connection, row: Row[Any], ending: Ending, decision: Decision) -> None:
    graded = decision.state is RunState.GRADED
    cause = Cause.CANCELLED if decision.state is RunState.CANCELLED else ending.cause
    connection.execute(
        _END_TRIAL,
        {
            "trial": row.trial_id,
            "state": ending.state,
            "cause": ending.cause,
            "exception": ending.exception,
            "message": as_text(ending.message and ending.message[-_MESSAGE_CHARACTERS:]),
            "log_tail": as_text(ending.log_tail),
            "result": as_json(ending.result),
            "conditions": as_json(ending.conditions),
        },
    )
    connection.execute(
        _END_RUN,
        {
            "run": row.id,
            "state": decision.state,
            "terminal": decision.state in TERMINAL,
            "charge": decision.charge or "none",
            "backoff": decision.backoff_seconds,
            "waiting_on": WaitingOn.BACKOFF if decision.backoff_seconds else WaitingOn.DISPATCH,
            "reward": ending.reward if graded else None,
            "rewards": as_json(ending.rewards) if graded else None,
            "cause": cause if decision.state in TERMINAL else None,
        },
    )
