"""The fleet's heartbeat: send what waits, take back what is lost, lay out tasks.

Every step can be repeated and can overlap with itself in another pulse; the leader row only spares the double work.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from flotilla.archive import Limits
from flotilla.dispatch import dispatch
from flotilla.ids import new_id
from flotilla.layout import Layout
from flotilla.queue import RunQueue
from flotilla.store.endings import take_back_expired
from flotilla.store.leadership import lead, resign
from flotilla.store.workers import mark_silent_workers
from flotilla.task_filling import fill_tasks

TICK_SECONDS = 10.0
LEADER = "pulse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What one tick did; `led` is false if another pulse was at work."""

    led: bool
    taken_back: int = 0
    silent_workers: int = 0
    queued: int = 0
    filled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """One ticker, with the name under which it leads."""

    engine: Engine
    queue: RunQueue
    layout: Layout
    lease_seconds: float
    limits: Limits
    holder: str = field(default_factory=lambda: new_id("pulse"))

    def beat(self) -> Beat:
        """One tick. Raises what the database or the queue raises; the next tick makes up for it."""
        with self.engine.begin() as connection:
            led = lead(connection, name=LEADER, holder=self.holder, seconds=3 * TICK_SECONDS) is not None
        if not led:
            return Beat(led=False)
        with self.engine.begin() as connection:
            taken_back = take_back_expired(connection)
            silent = mark_silent_workers(connection, after_seconds=self.lease_seconds)
        queued = dispatch(self.engine, self.queue)
        filled = fill_tasks(self.engine, self.layout, limits=self.limits)
        return Beat(led=True, taken_back=len(taken_back), silent_workers=len(silent), queued=queued, filled=filled)

    def resign(self) -> None:
        """Lets another pulse lead at once."""
        with self.engine.begin() as connection:
            resign(connection, name=LEADER, holder=self.holder)


def keep_beating(pulse: Pulse, *, wait: Callable[[float], bool], report: Callable[[Beat | Exception], None]) -> None:
    """Beats until `wait(seconds)` says to stop; `wait` returns early when there is new work.

    A failed tick is reported and repeated: the database and the queue may be away for minutes.
    """
    while True:
        try:
            report(pulse.beat())
        except Exception as fault:  # whatever failed, the next tick tries it all again
            report(fault)
        if wait(TICK_SECONDS):
            break
    pulse.resign()
