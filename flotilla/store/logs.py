"""What was shipped of a trial's logs: the only sizes that readers trust."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, text


class Stream(StrEnum):
    """The three logs of a trial."""

    TRIAL = "trial"
    """Harbor's own log of the trial."""
    AGENT = "agent"
    """What the agent's program printed."""
    VERIFIER = "verifier"
    """What the tests printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """How much of a trial's streams lies on the shared file system: each stream's file and size in bytes."""

    trial_id: str
    streams: Mapping[Stream, tuple[str, int]]


# Locked in the order in which trials are ended: by their runs. In another order the two could wait in a circle.
_SHIP = text("""
    WITH shipped AS (
        SELECT id, logs FROM jsonb_to_recordset(CAST(:shipped AS jsonb)) AS shipped (id text, logs jsonb)
    ), locked AS (
        SELECT id FROM trials WHERE id IN (SELECT id FROM shipped) AND state = 'running'
        ORDER BY run_id FOR NO KEY UPDATE
    )
    UPDATE trials SET logs = trials.logs || shipped.logs
    FROM locked JOIN shipped ON shipped.id = locked.id
    WHERE trials.id = locked.id
""")


def record_shipped(connection: Connection, shipped: Iterable[Shipped]) -> None:
    """Writes the shipped sizes of many trials in one statement; an ended trial's stay as they are."""
    rows = [
        {
            "id": one.trial_id,
            "logs": {stream.value: {"path": path, "size": size} for stream, (path, size) in one.streams.items()},
        }
        for one in shipped
    ]
    connection.execute(_SHIP, {"shipped": json.dumps(rows)})
