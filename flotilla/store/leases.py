"""The lease: a worker's exclusive, expiring right to a run. Claimed, renewed, and told apart by its token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, text

from flotilla.causes import INFRASTRUCTURE
from flotilla.layout import BundleFormat
from flotilla.states import TERMINAL, RunState, WaitingOn, WorkerState
from flotilla.store.documents import as_json
from flotilla.store.endings import take_back_expired_run
from flotilla.store.leadership import GAP_SECONDS
from flotilla.store.rows import locked_runs

LATER_SECONDS = 5
"""For how long a message is hidden that another worker may use, or that a moment later can be told more about."""


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
    ELSEWHERE = "elsewhere"
    """It may start, but not on this worker: hide the message for a moment, so that another one gets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A claim that changed no lease; for so many `seconds` the message is to be hidden."""

    refusal: Refusal
    seconds: int = 0


class Superseded(Exception):
    """A newer incarnation of this worker is registered: stop everything, write nothing, end."""


_INFRASTRUCTURE = sorted(INFRASTRUCTURE)

_NEWER = """(
    SELECT FROM workers AS newer
    WHERE newer.name = workers.name AND (newer.started_at, newer.id) > (workers.started_at, workers.id)
)"""

_FAILED_ON = """EXISTS (
    SELECT FROM trials JOIN workers AS host ON host.id = trials.worker_id
    WHERE trials.run_id = runs.id AND trials.state = 'errored' AND trials.cause = ANY(:infrastructure)
        AND host.name = {name}
)"""

# Its own host has failed it, and a host that has not would take it.
_ELSEWHERE = f"""
    {_FAILED_ON.format(name="me.name")}
    AND EXISTS (
        SELECT FROM workers AS other
        WHERE other.stopped_at IS NULL AND other.state = 'accepting' AND other.name <> me.name
            AND NOT {_FAILED_ON.format(name="other.name")}
    )
"""

_CLAIMING = """
    WITH claimed AS (
        UPDATE runs SET
            state = 'running', token = token + 1, worker_id = :worker, trial_id = :trial, trials = trials + 1,
            lease_until = now() + make_interval(secs => :lease_seconds),
            waiting_on = NULL, waiting_since = NULL, not_before = NULL, started_at = coalesce(runs.started_at, now())
        FROM workers AS me
        WHERE runs.id = :run AND runs.state IN ('pending', 'queued')
            AND (not_before IS NULL OR not_before <= now()) AND NOT cancel_requested
            AND me.id = :worker AND me.stopped_at IS NULL AND {and_more}
        RETURNING runs.id, job_id, number, token, trials
    ), opened AS (
        INSERT INTO trials (id, run_id, number, name, token, worker_id, conditions)
        SELECT :trial, id, trials, :name, token, :worker, CAST(:conditions AS jsonb) FROM claimed
    )
    SELECT claimed.*, jobs.agent_name, jobs.agent_model, jobs.agent_kwargs, jobs.secrets,
        bundles.sha256, bundles.format, bundles.task
    FROM claimed JOIN jobs ON jobs.id = claimed.job_id JOIN bundles ON bundles.id = jobs.bundle_id
"""

# Nearly all runs are claimed by the first. PostgreSQL plans each statement anew, so what only a run needs that met an
# infrastructure fault would cost them all.
_CLAIM = text(_CLAIMING.format(and_more="runs.infrastructure = 0"))
_CLAIM_ANY = text(_CLAIMING.format(and_more=f"NOT ({_ELSEWHERE})"))

_LOOK = text("""
    SELECT state, lease_until <= now() AS expired,
        ceil(extract(epoch FROM lease_until - now()))::int AS lease_seconds
    FROM runs WHERE id = :run
""")

_HOLD = text("""
    UPDATE runs SET state = 'pending', waiting_on = :reason
    WHERE id = :run AND state IN ('pending', 'queued') AND not_before > now()
""")

_LEAVE_TO_OTHERS = text(f"""
    UPDATE runs SET waiting_on = :reason FROM workers AS me
    WHERE runs.id = :run AND runs.state = 'queued' AND me.id = :worker AND {_ELSEWHERE}
""")

_RENEW = text(f"""
    WITH me AS (
        SELECT id, EXISTS {_NEWER} AS superseded FROM workers WHERE id = :worker
    ), held AS (
        {locked_runs("worker_id = :worker AND state = 'running' AND NOT (SELECT superseded FROM me)")}
    ), renewed AS (
        UPDATE runs SET lease_until = now() + make_interval(secs => :lease_seconds)
        FROM held WHERE runs.id = held.id
        RETURNING runs.id, token, trial_id, cancel_requested
    ), seen AS (
        UPDATE workers SET
            seen_at = now(), busy = :busy, room = :room, state = :state, reason = :reason, stopped_at = NULL
        FROM me WHERE workers.id = me.id AND NOT superseded AND state <> 'stopped'
    )
    SELECT superseded, renewed.* FROM me LEFT JOIN renewed ON true
""")


def claim(
    connection: Connection,
    *,
    run_id: str,
    worker_id: str,
    trial_id: str,
    trial_name: str,
    lease_seconds: float,
    conditions: Mapping[str, Any] | None = None,
    gap_seconds: float = GAP_SECONDS,
) -> Claimed | Refused:
    """Takes the lease of a waiting run and opens its trial, which begins under these conditions, or says why not.

    A run whose lease has expired is taken back first, as the pulse would, and then claimed.
    """
    ask = {
        "run": run_id,
        "worker": worker_id,
        "trial": trial_id,
        "name": trial_name,
        "lease_seconds": lease_seconds,
        "infrastructure": _INFRASTRUCTURE,
        "conditions": as_json(conditions),
    }
    row = connection.execute(_CLAIM, ask).one_or_none() or _look_closer(connection, ask, gap_seconds=gap_seconds)
    if isinstance(row, Refused):
        return row
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


def _look_closer(connection: Connection, ask: Mapping[str, Any], *, gap_seconds: float) -> Row[Any] | Refused:
    run = connection.execute(_LOOK, ask).one_or_none()
    if (
        run is not None
        and run.expired
        and take_back_expired_run(connection, run_id=ask["run"], gap_seconds=gap_seconds)
    ):
        run = connection.execute(_LOOK, ask).one_or_none()
    if run is None or RunState(run.state) in TERMINAL:
        return Refused(refusal=Refusal.OVER)
    if RunState(run.state) is RunState.RUNNING:
        return Refused(refusal=Refusal.LEASED, seconds=LATER_SECONDS if run.expired else max(run.lease_seconds, 1))
    return connection.execute(_CLAIM_ANY, ask).one_or_none() or _leave(connection, ask)


def _leave(connection: Connection, ask: Mapping[str, Any]) -> Refused:
    """A run that waits, and not for this worker. Only if it is made pending may its message go."""
    if connection.execute(_HOLD, {**ask, "reason": WaitingOn.BACKOFF}).rowcount:
        return Refused(refusal=Refusal.HELD)
    connection.execute(_LEAVE_TO_OTHERS, {**ask, "reason": WaitingOn.OTHER_HOST})
    return Refused(refusal=Refusal.ELSEWHERE, seconds=LATER_SECONDS)


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
    room: int | None = None,
    reason: str | None = None,
) -> list[Renewed]:
    """Renews every lease of a worker and its own sign of life in one statement; an unfit worker gives its reason.

    `room` is how many slots it can fill with what waits for it; None is as many as are free.

    Returns all leases that the database holds for it. An expired lease that nobody took is revived, and so is a worker
    that was called lost. Raises Superseded if a newer incarnation of it is registered; then nothing is renewed.
    """
    rows = connection.execute(
        _RENEW,
        {
            "worker": worker_id,
            "lease_seconds": lease_seconds,
            "busy": busy,
            "room": room,
            "state": state,
            "reason": reason,
        },
    ).all()
    if any(row.superseded for row in rows):
        raise Superseded(f"worker {worker_id} has a newer incarnation: this one may renew nothing")
    return [
        Renewed(
            lease=Lease(run_id=row.id, token=row.token, trial_id=row.trial_id), cancel_requested=row.cancel_requested
        )
        for row in rows
        if row.id is not None
    ]
