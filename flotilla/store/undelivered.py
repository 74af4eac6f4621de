"""Runs whose message ended on a dead-letter queue: delivered anew once, and errored when that repeats."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

from flotilla.causes import Cause
from flotilla.store.endings import count_down
from flotilla.store.rows import locked_runs

CLOCK_SKEW_SECONDS = 60
"""How far SQS's clock may lag behind the database's. A letter took its thousand deliveries, so it is far older."""


class Undelivered(StrEnum):
    """What became of a run when its message died."""

    LEFT_ALONE = "left_alone"
    """It runs, has ended, is unknown, or was sent anew after this message was: nothing is to be done."""
    ANEW = "anew"
    """It waits, and is pending again: send it."""
    EXHAUSTED = "exhausted"
    """It was delivered anew before, in vain: it is errored now."""


_ANEW = text("""
    UPDATE runs SET redelivered_at = now(), state = 'pending',
        waiting_on = CASE WHEN state = 'queued' THEN 'dispatch' ELSE waiting_on END
    WHERE id = :run AND state IN ('pending', 'queued') AND redelivered_at IS NULL
""")

_EXHAUST = text("""
    UPDATE runs SET state = 'errored', cause = :cause, token = token + 1, finished_at = now(),
        waiting_on = NULL, waiting_since = NULL, not_before = NULL
    WHERE id = :run AND state IN ('pending', 'queued')
        AND redelivered_at < CAST(:sent_at AS timestamptz) + make_interval(secs => :skew)
    RETURNING job_id
""")

_AGAIN = text(f"""
    WITH locked AS ({locked_runs("id = ANY(:runs) AND state IN ('pending', 'queued')")})
    UPDATE runs SET redelivered_at = NULL, state = 'pending',
        waiting_on = CASE WHEN state = 'queued' THEN 'dispatch' ELSE waiting_on END
    FROM locked WHERE runs.id = locked.id
    RETURNING runs.id
""")


def undelivered(connection: Connection, *, run_id: str, sent_at: datetime) -> Undelivered:
    """What becomes of a run whose message, sent at that time, no worker could use.

    The same letter twice, or a second one from before the run was sent anew, changes nothing.
    """
    if connection.execute(_ANEW, {"run": run_id}).rowcount:
        return Undelivered.ANEW
    ask = {"run": run_id, "sent_at": sent_at, "skew": CLOCK_SKEW_SECONDS, "cause": Cause.DELIVERY_EXHAUSTED}
    job_id = connection.execute(_EXHAUST, ask).scalar_one_or_none()
    if job_id is None:
        return Undelivered.LEFT_ALONE
    count_down(connection, job_id=job_id, ended=1, cancelled=False)
    return Undelivered.EXHAUSTED


def deliver_again(connection: Connection, *, run_ids: Sequence[str]) -> list[str]:
    """Makes those of the runs that wait pending again, as if no message of theirs had died; returns their ids.

    For somebody who has mended what their messages died of.
    """
    return list(connection.execute(_AGAIN, {"runs": list(run_ids)}).scalars())
