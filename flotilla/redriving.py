"""Brings dead letters back to their queue when what they died of is mended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from flotilla.dispatch import send_startable
from flotilla.queue import BATCH, Message, RunQueue
from flotilla.states import Priority
from flotilla.store.undelivered import deliver_again

SECONDS_A_QUEUE = 4.0
"""After which no more letters are fetched: whoever asked waits for the answer."""
HIDDEN_SECONDS = 60
"""For as long nobody else has the letters that are looked at; those that cannot be read come back afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What became of the letters behind one queue.

    `moved` are on their way to the queue again. `left_alone` were of runs that have ended, that a worker has, or that
    nobody knows: these letters are gone. `unreadable` ones stay where they are, to be reported. About so many
    as `remaining` are still to be looked at.
    """

    priority: Priority
    moved: int = 0
    left_alone: int = 0
    unreadable: int = 0
    remaining: int = 0


def redrive(
    engine: Engine, queue: RunQueue, priority: Priority, *, clock: Callable[[], float] = time.monotonic
) -> Redriven:
    """Brings back what lies dead behind one queue, for a few seconds. To do it twice does no harm.

    Raises QueueUnavailable; what was done until then stays done.
    """
    done = Redriven(priority=priority)
    until = clock() + SECONDS_A_QUEUE
    dead = queue.dead_letters
    while True:
        received = dead.receive(priority, most=BATCH, wait_seconds=1, visibility_seconds=HIDDEN_SECONDS)
        if not received.messages and not received.unreadable:
            return done
        moved = _bring_back(engine, queue, received.messages)
        done = replace(
            done,
            moved=done.moved + moved,
            left_alone=done.left_alone + len(received.messages) - moved,
            unreadable=done.unreadable + len(received.unreadable),
        )
        if clock() >= until:
            return replace(done, remaining=dead.depth(priority).visible)


def _bring_back(engine: Engine, queue: RunQueue, letters: tuple[Message, ...]) -> int:
    """Has the runs that wait sent anew, then deletes the letters; returns how many of them will come to the queue."""
    with engine.begin() as connection:
        waiting = deliver_again(connection, run_ids=[letter.run_id for letter in letters])
    send_startable(engine, queue, waiting)  # what is not sent here is pending, and the pulse sends it
    queue.dead_letters.delete(letters)
    return sum(letter.run_id in waiting for letter in letters)
