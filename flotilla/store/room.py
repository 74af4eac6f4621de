"""Room on a host: what the tasks of runs declare that they need of it, and which of it a run waits for."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from flotilla.states import WaitingOn


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a task declares that it needs of its host; 0 where it declares nothing. Sizes in megabytes."""

    cpus: float = 0
    memory_mb: float = 0
    storage_mb: float = 0


_DECLARED = text("""
    SELECT runs.id, bundles.task->'cpus' AS cpus, bundles.task->'memory_mb' AS memory_mb,
        bundles.task->'storage_mb' AS storage_mb
    FROM runs JOIN jobs ON jobs.id = runs.job_id JOIN bundles ON bundles.id = jobs.bundle_id
    WHERE runs.id = ANY(:runs) AND runs.state IN ('pending', 'queued')
""")

_WAIT_FOR_ROOM = text("""
    UPDATE runs SET waiting_on = CAST(:reason AS waiting_on), waiting_detail = :detail
    WHERE id = :run AND state = 'queued'
        AND (waiting_on <> CAST(:reason AS waiting_on) OR waiting_detail IS DISTINCT FROM :detail)
""")


def declared(connection: Connection, *, run_ids: Sequence[str]) -> dict[str, Declared]:
    """What the tasks of these runs declare, by run; a run that does not wait has none."""
    rows = connection.execute(_DECLARED, {"runs": list(run_ids)})
    return {
        row.id: Declared(cpus=row.cpus or 0, memory_mb=row.memory_mb or 0, storage_mb=row.storage_mb or 0)
        for row in rows
    }


def wait_for_room(connection: Connection, *, run_id: str, reason: WaitingOn, detail: str) -> None:
    """Records which resource of the host that received it a queued run waits for, and how much of it is missing.

    Nothing is charged for it. Whoever gives the run another reason leaves the detail: it counts only with these.
    """
    connection.execute(_WAIT_FOR_ROOM, {"run": run_id, "reason": reason, "detail": detail})
