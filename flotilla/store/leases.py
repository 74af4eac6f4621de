"""The lease: a worker's exclusive, expiring right to a run. Claimed, renewed, and told apart by its token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from flotilla.layout import BundleFormat
from flotilla.states import TERMINAL, RunState, WaitingOn, WorkerState
from flotilla.store.endings import take_back_expired_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What names one worker's right to one run: writes that do not carry all of it change nothing."""

    run_id: str
    token: int
    trial_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A run that is now this worker's, with all that a trial of it needs."""

    lease: Lease
    job_id: str
    number: int
    trial_name: str
    trial_number: int
    sha256: str
    bundle_format: BundleFormat
    task: Mapping[str, Any] = field(repr=False)
    agent_name: str
    agent_model: str | None
    agent_kwargs: Mapping[str, Any] = field(repr=False)
    secrets: Sequence[str]


class Refusal(StrEnum):
    """Why a message's run is not claimed, and so what becomes of the message."""

    OVER = "over"
    """The run is terminal or does not exist: delete the message."""
    LEASED = "leased"
    """Another worker has it: hide the message until that lease ends."""
    HELD = "held"
    """It may not start now: it is pending again, with its reason; delete the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A claim that changed no lease; `seconds` says how long the other lease still holds."""

    refusal: Refusal
    seconds: int = 0


_CLAIM = text("""
    WITH claimed AS (
        UPDATE runs SET
            state = 'running', token = token + 1, worker_id = :worker, trial_id = :trial, trials = trials + 1,
            lease_until = now() + make_interval(secs => :lease_seconds),
            waiting_on = NULL, waiting_since = NULL, not_before = NULL, started_at = coalesce(started_at, now())
        WHERE id = :run AND state IN ('pending', 'queued')
            AND (not_before IS NULL OR not_before <= now()) AND NOT cancel_requested
        RETURNING id, job_id, number, token, trials
    ), opened AS (
        INSERT INTO trials (id, run_id, number, name, token, worker_id)
        SELECT :trial, id, trials, :name, token, :worker FROM claimed
    )
    SELECT claimed.*, jobs.agent_name, jobs.agent_model, jobs.agent_kwargs, jobs.secrets,
        bundles.sha256, bundles.format, bundles.task
    FROM claimed JOIN jobs ON jobs.id = claimed.job_id JOIN bundles ON bundles.id = jobs.bundle_id
""")

_LOOK = text("""
    SELECT state, lease_until <= now() AS expired,
        ceil(extract(epoch FROM lease_until - now()))::int AS lease_seconds
    FROM runs WHERE id = :run
""")

_HOLD = text("""
    UPDATE runs SET state = 'pending', waiting_on = :reason
    WHERE id = :run AND state IN ('pending', 'queued') AND not_before > now()
""")

_RENEW = text("""
    WITH seen AS (
        UPDATE workers SET seen_at = now(), busy = :busy, state = :state, reason = :reason
        WHERE id = :worker AND stopped_at IS NULL
    )
    UPDATE runs SET lease_until = now() + make_interval(secs => :lease_seconds)
    WHERE worker_id = :worker AND state = 'running'
    RETURNING id, token, trial_id, cancel_requested
""")


def claim(
    connection: Connection, *, run_id: str, worker_id: str, trial_id: str, trial_name: str, lease_seconds: float
) -> Claimed | Refused:
    """Takes the lease of a waiting run and opens its trial, or says why not.

    A run whose lease has expired is taken back first, as the pulse would, and then claimed.
    """
    ask = {
        "run": run_id,
        "worker": worker_id,
        "trial": trial_id,
        "name": trial_name,
        "lease_seconds": lease_seconds,
    }
    row = connection.execute(_CLAIM, ask).one_or_none()
    if row is None and take_back_expired_run(connection, run_id=run_id):
        row = connection.execute(_CLAIM, ask).one_or_none()
    if row is None:
        return _refused(connection, run_id)
    return Claimed(
        lease=Lease(run_id=row.id, token=row.token, trial_id=trial_id),
        job_id=row.job_id,
        number=row.number,
        trial_name=trial_name,
        trial_number=row.trials,
        sha256=row.sha256,
        bundle_format=BundleFormat(row.format),
        task=row.task,
        agent_name=row.agent_name,
        agent_model=row.agent_model,
        agent_kwargs=row.agent_kwargs,
        secrets=tuple(row.secrets),
    )


def _refused(connection: Connection, run_id: str) -> Refused:
    row = connection.execute(_LOOK, {"run": run_id}).one_or_none()
    if row is None or RunState(row.state) in TERMINAL:
        return Refused(refusal=Refusal.OVER)
    if RunState(row.state) is RunState.RUNNING:
        return Refused(refusal=Refusal.LEASED, seconds=max(row.lease_seconds, 1))
    connection.execute(_HOLD, {"run": run_id, "reason": WaitingOn.BACKOFF})
    return Refused(refusal=Refusal.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A lease that this worker still holds, and whether its run was cancelled meanwhile."""

    lease: Lease
    cancel_requested: bool


def renew(
    connection: Connection,
    *,
    worker_id: str,
    lease_seconds: float,
    busy: int,
    state: WorkerState,
    reason: str | None = None,
) -> list[Renewed]:
    """Renews every lease of a worker and its own sign of life in one statement; an unfit worker gives its reason.

    Returns all leases that the database holds for it. An expired lease that nobody took is revived.
    """
    rows = connection.execute(
        _RENEW,
        {"worker": worker_id, "lease_seconds": lease_seconds, "busy": busy, "state": state, "reason": reason},
    )
    return [
        Renewed(
            lease=Lease(run_id=row.id, token=row.token, trial_id=row.trial_id), cancel_requested=row.cancel_requested
        )
        for row in rows
    ]
