"""The fleet in numbers, as the pulse observes it: what waits, what runs, whose slots are free, what has ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from flotilla.store.rows import locked_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Runs and slots at one moment; `oldest_wait` is in seconds."""

    waiting: int
    running: int
    oldest_wait: float
    slots: int
    busy: int
    free: int
    reported: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """What ended since it was last counted, up to the moment `until`."""

    graded: int
    errored: int
    preempted: int
    unclassified: int
    until: datetime


_LIVES = text("""
    SELECT EXISTS (SELECT FROM runs WHERE state IN ('pending', 'queued', 'running'))
        OR EXISTS (SELECT FROM workers WHERE stopped_at IS NULL)
""")

_RUNS = text("""
    SELECT count(*) FILTER (WHERE startable) AS waiting, count(*) FILTER (WHERE state = 'running') AS running,
        coalesce(max(waited) FILTER (WHERE startable), 0)::float AS oldest_wait
    FROM (
        SELECT state, state <> 'running' AND (not_before IS NULL OR not_before <= now()) AS startable,
            extract(epoch FROM now() - waiting_since) AS waited
        FROM runs WHERE state IN ('pending', 'queued', 'running')
    ) AS open
""")

_SLOTS = text("""
    SELECT coalesce(sum(slots), 0) AS slots, coalesce(sum(leases), 0) AS busy,
        coalesce(sum(greatest(least(slots - leases, room), 0)) FILTER (WHERE accepts), 0) AS free
    FROM workers CROSS JOIN LATERAL (
        SELECT count(*) AS leases, workers.state = 'accepting' AND name <> ALL(:leaving) AS accepts
        FROM runs WHERE worker_id = workers.id AND runs.state = 'running'
    ) AS held
    WHERE stopped_at IS NULL
""")

_REPORTED = text("SELECT count(DISTINCT name) FROM workers WHERE name = ANY(:names)")

_HORIZON = text("""
    SELECT counted_until, (
        SELECT least(now(), min(xact_start)) FROM pg_stat_activity WHERE datname = current_database()
    ) AS until
    FROM leaders WHERE name = :leader
""")

_ENDINGS = text("""
    SELECT count(*) FILTER (WHERE ended = 'graded') AS graded, count(*) FILTER (WHERE ended = 'errored') AS errored,
        count(*) FILTER (WHERE ended = 'preempted') AS preempted,
        count(*) FILTER (WHERE ended = 'unclassified') AS unclassified
    FROM (
        SELECT state::text AS ended FROM runs WHERE finished_at >= :since AND finished_at < :until
        UNION ALL
        SELECT CASE WHEN cause = 'unclassified' THEN cause ELSE state::text END FROM trials
        WHERE (state = 'preempted' OR cause = 'unclassified') AND finished_at >= :since AND finished_at < :until
    ) AS endings
""")

_COUNTED = text("""
    UPDATE leaders SET counted_until = :until WHERE name = :leader AND (counted_until IS NULL OR counted_until < :until)
""")

_STOPPED = text(f"""
    WITH locked AS ({locked_runs("state = 'queued' AND waiting_on = 'worker'")})
    UPDATE runs SET waiting_on = 'launches' FROM locked WHERE runs.id = locked.id
""")

_RESUMED = text(f"""
    WITH locked AS ({locked_runs("state = 'queued' AND waiting_on = 'launches'")})
    UPDATE runs SET waiting_on = 'worker' FROM locked WHERE runs.id = locked.id
""")


def anything_lives(connection: Connection) -> bool:
    """Whether any run is not terminal or any worker not gone."""
    return bool(connection.execute(_LIVES).scalar_one())


def take_census(connection: Connection, *, instances: Sequence[str], leaving: Sequence[str]) -> Census:
    """Counts. `instances` are the group's, of which those that have reported are counted; what leaves is not free.

    Workers that are not lost count as living: the pulse calls the silent ones lost before it counts. A slot is busy as
    long as its run is leased, whatever its worker last said; that it can fill fewer than are free is believed.
    """
    runs = connection.execute(_RUNS).one()
    slots = connection.execute(_SLOTS, {"leaving": list(leaving)}).one()
    reported = connection.execute(_REPORTED, {"names": list(instances)}).scalar_one()
    return Census(**runs._asdict(), **slots._asdict(), reported=reported)


def count_endings(connection: Connection, *, leader: str) -> Endings:
    """What ended since `counted`, each ending exactly once; for the first time, nothing.

    An ending carries the time at which its transaction began, so what is still under way is left to the next count.
    The two statements see two moments, in this order: who is no longer under way in the first is seen by the second.
    """
    horizon = connection.execute(_HORIZON, {"leader": leader}).one()
    since = horizon.counted_until or horizon.until
    row = connection.execute(_ENDINGS, {"since": since, "until": horizon.until}).one()
    return Endings(**row._asdict(), until=horizon.until)


def counted(connection: Connection, *, leader: str, until: datetime) -> None:
    """Records that all that ended before this moment was counted."""
    connection.execute(_COUNTED, {"leader": leader, "until": until})


def say_why_they_wait(connection: Connection, *, launches_stopped: bool) -> int:
    """Lets the runs that wait for a worker say whether none will be launched; returns how many now say otherwise."""
    return connection.execute(_STOPPED if launches_stopped else _RESUMED).rowcount
