"""What tells that messages have vanished, kept from tick to tick; and the runs that are to be sent again."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from flotilla.store.rows import locked_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Queued runs, the free slots of workers that accept, and for how long (seconds) the fleet has starved so far."""

    queued: int
    free: int
    starved_seconds: float


_WAITING = text("""
    SELECT (SELECT count(*) FROM runs WHERE state = 'queued') AS queued,
        (
            SELECT coalesce(sum(greatest(least(slots - leases, room), 0)), 0)
            FROM workers CROSS JOIN LATERAL (
                SELECT count(*) AS leases FROM runs WHERE worker_id = workers.id AND runs.state = 'running'
            ) AS held
            WHERE stopped_at IS NULL AND workers.state = 'accepting'
        ) AS free,
        coalesce((
            SELECT extract(epoch FROM now() - starved_since) FROM leaders WHERE name = :leader
        ), 0)::float AS starved_seconds
""")

_STARVES = text("""
    UPDATE leaders SET starved_since = CASE WHEN :starves THEN coalesce(starved_since, now()) END
    WHERE name = :leader AND holder = :holder AND (starved_since IS NULL) = :starves
""")

_QUEUED_LONG = """state = 'queued' AND queued_at <= now() - make_interval(secs => CASE
        WHEN waiting_on IN ('other_host', 'cpus', 'memory', 'storage') THEN :seconds_elsewhere ELSE :seconds
    END)"""

_SEND_AGAIN = text(f"""
    WITH locked AS ({locked_runs(_QUEUED_LONG)} LIMIT :most)
    UPDATE runs SET state = 'pending', waiting_on = 'dispatch' FROM locked WHERE runs.id = locked.id
    RETURNING runs.id
""")


def look_at_waiting(connection: Connection, *, leader: str) -> Waiting:
    """What waits for a message to be received, and who could receive it."""
    return Waiting(**connection.execute(_WAITING, {"leader": leader}).one()._asdict())


def remember_starving(connection: Connection, *, leader: str, holder: str, starves: bool) -> None:
    """Starts the clock if it does not run, or stops it; whoever does not lead changes nothing."""
    connection.execute(_STARVES, {"leader": leader, "holder": holder, "starves": starves})


def send_again(connection: Connection, *, queued_seconds: float, elsewhere_seconds: float, most: int) -> list[str]:
    """Makes runs pending again that were sent so long ago; returns their ids. A message too many costs one claim.

    `elsewhere_seconds` is for those that wait on another host, or for room on one: theirs is received, and hidden,
    again and again.
    """
    ask = {"seconds": queued_seconds, "seconds_elsewhere": elsewhere_seconds, "most": most}
    return sorted(connection.execute(_SEND_AGAIN, ask).scalars())
