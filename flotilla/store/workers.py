"""Workers: one row an incarnation, known by instance name and incarnation id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from flotilla.states import WorkerState
from flotilla.store.rows import values_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorker:
    """What a worker says of itself when it starts."""

    id: str
    name: str
    slots: int
    environment: str
    version: str
    harbor_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One incarnation of a worker, and how many seconds ago it was last seen; `reason` says why it is unfit."""

    id: str
    name: str
    state: WorkerState
    slots: int
    busy: int
    reason: str | None
    environment: str
    version: str
    harbor_version: str
    started_at: datetime
    seen_at: datetime
    silent_seconds: float


_REGISTER = text("""
    WITH former AS (
        UPDATE workers SET state = 'lost', stopped_at = now(), busy = 0
        WHERE name = :name AND id <> :id AND stopped_at IS NULL
    )
    INSERT INTO workers (id, name, slots, environment, version, harbor_version)
    VALUES (:id, :name, :slots, :environment, :version, :harbor_version)
""")

_STOP = text("""
    UPDATE workers SET state = 'stopped', stopped_at = now(), busy = 0 WHERE id = :id AND stopped_at IS NULL
""")

# A row that somebody holds at this moment is being renewed, and so not silent. Waiting for it could be a deadlock:
# a renewal holds its worker's runs, which the pulse may want as well.
_SILENT = text("""
    UPDATE workers SET state = 'lost', stopped_at = now(), busy = 0
    WHERE id IN (
        SELECT id FROM workers WHERE stopped_at IS NULL AND seen_at < now() - make_interval(secs => :seconds)
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING name
""")

_LIST = text("""
    SELECT id, name, state, slots, busy, reason, environment, version, harbor_version, started_at, seen_at,
        extract(epoch FROM now() - seen_at)::float AS silent_seconds
    FROM workers WHERE stopped_at IS NULL OR :all ORDER BY name, started_at
""")


def register_worker(connection: Connection, worker: NewWorker) -> None:
    """Adds this incarnation; earlier ones of the same name are lost."""
    connection.execute(
        _REGISTER,
        {
            "id": worker.id,
            "name": worker.name,
            "slots": worker.slots,
            "environment": worker.environment,
            "version": worker.version,
            "harbor_version": worker.harbor_version,
        },
    )


def stop_worker(connection: Connection, *, worker_id: str) -> None:
    """Records that a worker ended by itself."""
    connection.execute(_STOP, {"id": worker_id})


def mark_silent_workers(connection: Connection, *, after_seconds: float) -> Sequence[str]:
    """Calls workers lost that gave no sign for so long; returns their names."""
    return list(connection.execute(_SILENT, {"seconds": after_seconds}).scalars())


def list_workers(connection: Connection, *, gone: bool) -> list[Worker]:
    """The workers that live, and with `gone` also those that do not."""
    rows = connection.execute(_LIST, {"all": gone})
    return [Worker(**{**values_of(row), "state": WorkerState(row.state)}) for row in rows]
