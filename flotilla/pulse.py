"""The fleet's heartbeat: take back what is lost, send what waits or vanished, tend the group, lay out tasks, sweep.

Every step can be repeated and can overlap with itself in another pulse; the leader row only spares the double work.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Engine

from flotilla.archive import Limits
from flotilla.caretaker import Caretaker, Tended
from flotilla.dispatch import dispatch
from flotilla.ids import new_id
from flotilla.layout import Layout
from flotilla.queue import RunQueue
from flotilla.rescue import rescue
from flotilla.store.endings import take_back_expired
from flotilla.store.fleet_state import anything_lives
from flotilla.store.leadership import GAP_SECONDS, LEADER, did_well, lead, resign
from flotilla.store.workers import mark_silent_workers
from flotilla.sweeping import sweep
from flotilla.task_filling import fill_tasks

TICK_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What one tick did; `led` is false if another pulse was at work. While there is `work`, ten seconds matter."""

    led: bool
    quiet: bool = False
    taken_back: int = 0
    silent_workers: int = 0
    queued: int = 0
    rescued: int = 0
    filled: int = 0
    swept: int = 0
    tended: Tended | None = None
    work: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """One ticker, with the name under which it leads; with a caretaker where the workers are a group of instances."""

    engine: Engine
    queue: RunQueue
    layout: Layout
    lease_seconds: float
    limits: Limits
    caretaker: Caretaker | None = None
    clock: Callable[[], float] = time.time
    holder: str = field(default_factory=lambda: new_id("pulse"))

    def beat(self) -> Beat:
        """One tick. Raises what the database, the queue or AWS raises; the next tick makes up for it."""
        with self.engine.begin() as connection:
            beat = self._take_back(connection)
        if not beat.led:
            return beat
        try:
            tended = self.caretaker.tend(leader=LEADER, quiet=beat.quiet) if self.caretaker else None
        finally:  # the group has nothing to do with what waits
            queued = dispatch(self.engine, self.queue)
        rescued = rescue(self.engine, self.queue, holder=self.holder, quiet=beat.quiet)
        filled = fill_tasks(self.engine, self.layout, limits=self.limits)
        swept = sweep(self.engine, self.layout, now=self.clock())
        return replace(beat, tended=tended, queued=queued, rescued=rescued, filled=filled, swept=swept)

    def send(self) -> int:
        """Sends what waits, whoever leads; returns how many runs were queued."""
        return dispatch(self.engine, self.queue)

    def resign(self) -> None:
        """Lets another pulse lead at once."""
        with self.engine.begin() as connection:
            resign(connection, name=LEADER, holder=self.holder)

    def _take_back(self, connection: Connection) -> Beat:
        """Leads, and takes back what is lost. After a gap nobody is: see `GAP_SECONDS`."""
        leadership = lead(
            connection,
            name=LEADER,
            holder=self.holder,
            seconds=3 * TICK_SECONDS,
            gap_seconds=GAP_SECONDS,
            quiet_seconds=self.lease_seconds,
        )
        if leadership is None:
            return Beat(led=False)
        taken_back = [] if leadership.quiet else take_back_expired(connection)
        silent = [] if leadership.quiet else mark_silent_workers(connection, after_seconds=self.lease_seconds)
        did_well(connection, name=LEADER, holder=self.holder)
        return Beat(
            led=True,
            quiet=leadership.quiet,
            taken_back=len(taken_back),
            silent_workers=len(silent),
            work=anything_lives(connection),
        )


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
