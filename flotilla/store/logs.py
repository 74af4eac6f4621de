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


_SHIP = text("""
    UPDATE trials SET logs = trials.logs || shipped.logs
    FROM jsonb_to_recordset(CAST(:shipped AS jsonb)) AS shipped (id text, logs jsonb)
    WHERE trials.id = shipped.id AND trials.state = 'running'
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
