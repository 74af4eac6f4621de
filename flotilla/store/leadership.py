"""The pulse's leader row: one holder at a time, for a bounded time, told apart by a token."""

from sqlalchemy import Connection, text

_LEAD = text("""
    INSERT INTO leaders (name, holder, token, expires_at)
    VALUES (:name, :holder, 1, now() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE SET
        token = leaders.token + CASE WHEN leaders.holder = :holder THEN 0 ELSE 1 END,
        holder = :holder, expires_at = EXCLUDED.expires_at
    WHERE leaders.holder = :holder OR leaders.expires_at <= now()
    RETURNING token
""")

_RESIGN = text("UPDATE leaders SET expires_at = now() WHERE name = :name AND holder = :holder")


def lead(connection: Connection, *, name: str, holder: str, seconds: float) -> int | None:
    """Becomes or stays the leader for so long; returns the token, or None if somebody else leads."""
    return connection.execute(_LEAD, {"name": name, "holder": holder, "seconds": seconds}).scalar_one_or_none()


def resign(connection: Connection, *, name: str, holder: str) -> None:
    """Lets the next one lead at once."""
    connection.execute(_RESIGN, {"name": name, "holder": holder})
