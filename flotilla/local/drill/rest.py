"""When a drill has come to rest: nothing runs, nothing is claimed, nothing is on the queue."""

import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from flotilla.local.drill.witness import ask_queues
from flotilla.local.programs import Addresses

LOOK_SECONDS = 1.0
_OPEN_TRIALS = text("SELECT count(*) FROM trials WHERE state = 'running'")


class Rest:
    """Asked again and again; a look costs a statement and four requests, so it is taken once a second."""

    def __init__(self, engine: Engine, addresses: Addresses) -> None:
        self._engine = engine
        self._addresses = addresses
        self._next_look = 0.0

    def reached(self, scratches: Sequence[Path]) -> bool:
        """Whether all is at rest; `scratches` are those of the workers that should be there."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        busy = any(True for scratch in scratches for _ in (scratch / "trials").glob("*"))
        return (
            not busy and self._open_trials() == 0 and not any(depth.messages for depth in ask_queues(self._addresses))
        )

    def _open_trials(self) -> int | None:
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(_OPEN_TRIALS).scalar_one())
        except DBAPIError:  # of a connection that an outage has broken; the next look has a new one
            return None
