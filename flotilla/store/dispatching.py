"""From `pending` to `queued` and back: which runs to send, and what became of the sending."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from flotilla.states import Priority
from flotilla.store.rows import locked_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Startable:
    """A pending run that may start now."""

    run_id: str
    priority: Priority
    tenant: str


_STARTABLE_RUNS = """
    SELECT runs.id, jobs.priority, jobs.tenant
    FROM runs JOIN jobs ON jobs.id = runs.job_id
    WHERE runs.state = 'pending' AND (runs.not_before IS NULL OR runs.not_before <= now()) {and_more}
    ORDER BY jobs.priority, jobs.tenant, runs.id
    LIMIT :most
"""

_STARTABLE = text(_STARTABLE_RUNS.format(and_more=""))
_STARTABLE_OF = text(_STARTABLE_RUNS.format(and_more="AND runs.id = ANY(:ids)"))

_TO_BE_MARKED = "id = ANY(:ids) AND state = 'pending' AND (not_before IS NULL OR not_before <= now())"

_SENT = text(f"""
    WITH locked AS ({locked_runs(_TO_BE_MARKED)})
    UPDATE runs SET state = 'queued', waiting_on = 'worker', queued_at = now(), not_before = NULL
    FROM locked WHERE runs.id = locked.id
""")

_FORGET = text(f"""
    WITH locked AS ({locked_runs("state = 'queued'")})
    UPDATE runs SET state = 'pending', waiting_on = 'dispatch' FROM locked WHERE runs.id = locked.id
""")


def startable(connection: Connection, *, most: int) -> list[Startable]:
    """Pending runs that may start now, high priority first, oldest first."""
    return _read(connection.execute(_STARTABLE, {"most": most}))


def startable_of(connection: Connection, run_ids: Sequence[str]) -> list[Startable]:
    """Those of the given runs that are pending and may start now."""
    return _read(connection.execute(_STARTABLE_OF, {"ids": list(run_ids), "most": len(run_ids)}))


def _read(rows: Iterable[Row[Any]]) -> list[Startable]:
    return [Startable(run_id=row.id, priority=Priority(row.priority), tenant=row.tenant) for row in rows]


def mark_sent(connection: Connection, run_ids: Sequence[str]) -> int:
    """Moves runs whose message was sent from `pending` to `queued`; a run claimed meanwhile stays as it is."""
    return connection.execute(_SENT, {"ids": list(run_ids)}).rowcount


def forget_messages(connection: Connection) -> int:
    """Makes every queued run pending again: for a queue that lost its messages. A message too many costs one claim."""
    return connection.execute(_FORGET).rowcount
