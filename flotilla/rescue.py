"""Runs whose message has vanished: told by what queue and workers show together, and sent again.

A queue does not say which messages it holds. But free slots, queued runs and nothing to receive, for minutes, cannot
go together; and no message outlives its queue's retention.
"""

from dataclasses import dataclass

from sqlalchemy import Engine

from flotilla.dispatch import send_startable
from flotilla.queue import RunQueue
from flotilla.queue_policy import RETENTION_DAYS
from flotilla.states import Priority
from flotilla.store.leadership import LEADER
from flotilla.store.rescuing import Waiting, look_at_waiting, remember_starving, send_again

STARVED_SECONDS = 120.0
"""SQS counts its messages within a minute, and a message just received is hidden: two minutes tell it from a pause."""
ELSEWHERE_SECONDS = 8 * STARVED_SECONDS
NEAR_RETENTION_SECONDS = (RETENTION_DAYS - 0.5) * 24 * 3600
"""Half a day before SQS drops a message; its run may have waited on quota or on machines that nobody gave."""
MOST_A_TICK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether slots are free while nothing can be received, and whether that lasts too long for any other reason."""

    starves: bool
    vanished: bool


NOTHING_VANISHED = Verdict(starves=False, vanished=False)


def judge(waiting: Waiting, *, visible: int) -> Verdict:
    """Free slots, queued runs and no visible message: after two minutes of it their messages are gone."""
    starves = waiting.queued > 0 and waiting.free > 0 and visible == 0
    return Verdict(starves=starves, vanished=starves and waiting.starved_seconds >= STARVED_SECONDS)


def rescue(engine: Engine, queue: RunQueue, *, holder: str, quiet: bool) -> int:
    """Sends again the runs whose message is gone, or soon will be; returns how many.

    After a gap, while all is `quiet`, nobody could see the queue: then the two minutes begin anew.
    """
    with engine.begin() as connection:
        waiting = look_at_waiting(connection, leader=LEADER)
    verdict = NOTHING_VANISHED if quiet else _judge_with_queue(waiting, queue)
    with engine.begin() as connection:
        remember_starving(connection, leader=LEADER, holder=holder, starves=verdict.starves)
        old = STARVED_SECONDS if verdict.vanished else NEAR_RETENTION_SECONDS
        elsewhere = ELSEWHERE_SECONDS if verdict.vanished else NEAR_RETENTION_SECONDS
        run_ids = send_again(connection, queued_seconds=old, elsewhere_seconds=elsewhere, most=MOST_A_TICK)
    return send_startable(engine, queue, run_ids) if run_ids else 0


def _judge_with_queue(waiting: Waiting, queue: RunQueue) -> Verdict:
    """The queue is asked only if its answer matters."""
    if not (waiting.queued and waiting.free):
        return NOTHING_VANISHED
    return judge(waiting, visible=sum(queue.depth(priority).visible for priority in Priority))
