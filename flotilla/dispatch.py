"""Sends what waits: one message a startable run, then `pending → queued`.

The message goes first: a crash between the two leaves the run pending, which is claimable, and the next pulse sends it
once more. A message too many costs one claim; a message too few would cost the run.
"""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import Engine

from flotilla.queue import RunQueue
from flotilla.store.dispatching import Startable, mark_sent, startable, startable_of

RUNS_A_ROUND = 1_000


def dispatch(engine: Engine, queue: RunQueue, *, most: int = 100_000) -> int:
    """Sends messages for up to `most` startable runs; returns how many were queued.

    Raises QueueUnavailable with what was sent so far already marked.
    """
    queued = 0
    while queued < most:
        with engine.begin() as connection:
            runs = startable(connection, most=min(RUNS_A_ROUND, most - queued))
        moved = _send(engine, queue, runs)
        queued += moved
        if moved < RUNS_A_ROUND:
            break
    return queued


def send_startable(engine: Engine, queue: RunQueue, run_ids: Sequence[str]) -> int:
    """Sends messages for those of these runs that may start now; returns how many were queued."""
    with engine.begin() as connection:
        runs = startable_of(connection, run_ids)
    return _send(engine, queue, runs)


def _send(engine: Engine, queue: RunQueue, runs: list[Startable]) -> int:
    moved = 0
    for (priority, tenant), group in groupby(runs, key=lambda run: (run.priority, run.tenant)):
        accepted = queue.send(priority, [run.run_id for run in group], group=tenant)
        with engine.begin() as connection:
            moved += mark_sent(connection, accepted)
    return moved
