"""The pulse's leader row: one holder at a time, for a bounded time, told by a token; and when it last did well."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

LEADER = "pulse"
GAP_SECONDS = 30.0
"""After so long without a good tick, who was silent may have had nobody to talk to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """The right to lead. `quiet`: the pulse was away for too long to tell who is lost and who could not be heard."""

    token: int
    quiet: bool


_LEAD = text("""
    INSERT INTO leaders (name, holder, token, expires_at)
    VALUES (:name, :holder, 1, now() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE SET
        token = leaders.token + CASE WHEN leaders.holder = :holder THEN 0 ELSE 1 END,
        holder = :holder, expires_at = EXCLUDED.expires_at,
        quiet_until = CASE WHEN leaders.good_at < now() - make_interval(secs => :gap)
            THEN now() + make_interval(secs => :quiet) ELSE leaders.quiet_until END
    WHERE leaders.holder = :holder OR leaders.expires_at <= now()
    RETURNING token, coalesce(quiet_until > now(), false) AS quiet
""")

_DID_WELL = text("UPDATE leaders SET good_at = now() WHERE name = :name AND holder = :holder")

_RESIGN = text("UPDATE leaders SET expires_at = now() WHERE name = :name AND holder = :holder")


def lead(
    connection: Connection, *, name: str, holder: str, seconds: float, gap_seconds: float, quiet_seconds: float
) -> Leadership | None:
    """Becomes or stays the leader for so long, or returns None if somebody else leads.

    If the last good tick is longer ago than `gap_seconds`, all is quiet for `quiet_seconds` from now.
    """
    row = connection.execute(
        _LEAD, {"name": name, "holder": holder, "seconds": seconds, "gap": gap_seconds, "quiet": quiet_seconds}
    ).one_or_none()
    return None if row is None else Leadership(token=row.token, quiet=row.quiet)


def did_well(connection: Connection, *, name: str, holder: str) -> None:
    """Records a good tick."""
    connection.execute(_DID_WELL, {"name": name, "holder": holder})


def resign(connection: Connection, *, name: str, holder: str) -> None:
    """Lets the next one lead at once."""
    connection.execute(_RESIGN, {"name": name, "holder": holder})
