"""Uploads that come in parts: one row says which files count, and up to which byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from flotilla.ids import new_id
from flotilla.store.rows import values_of

MOST_PARTS = 1000
"""A part costs a file and grows the row: nobody needs so many, whatever the size of an archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload: `received` of its `length` bytes are in the files named by `parts`, in this order."""

    id: str
    tenant: str
    length: int
    received: int
    parts: Sequence[str]
    metadata: str | None
    bundle_id: str | None
    """The bundle that it became, if it did; its parts are gone then."""
    expires_at: datetime


_COLUMNS = "id, tenant, length, received, parts, metadata, bundle_id, expires_at"

_CREATE = text(f"""
    INSERT INTO uploads (id, tenant, length, metadata, expires_at)
    VALUES (:id, :tenant, :length, :metadata, now() + make_interval(secs => :seconds))
    RETURNING {_COLUMNS}
""")

_GET = text(f"""
    SELECT {_COLUMNS} FROM uploads WHERE id = :id AND tenant = :tenant AND expires_at > now()
""")

_ADD = text("""
    UPDATE uploads SET received = received + :size, parts = parts || CAST(:part AS text)
    WHERE id = :id AND received = :offset AND received + :size <= length AND cardinality(parts) < :most
        AND expires_at > now()
    RETURNING received
""")

_BECAME = text("UPDATE uploads SET bundle_id = :bundle, parts = '{}' WHERE id = :id AND received = length")

_DELETE = text("DELETE FROM uploads WHERE id = :id RETURNING parts")

_SWEEP = text("DELETE FROM uploads WHERE created_at < now() - make_interval(secs => :seconds) RETURNING id")


def create_upload(connection: Connection, *, tenant: str, length: int, metadata: str | None, seconds: float) -> Upload:
    """A new upload of `length` bytes, which may take so many seconds; `metadata` is kept as the client wrote it."""
    given = {"id": new_id("upload"), "tenant": tenant, "length": length, "metadata": metadata, "seconds": seconds}
    return Upload(**values_of(connection.execute(_CREATE, given).one()))


def get_upload(connection: Connection, *, upload_id: str, tenant: str) -> Upload | None:
    """The tenant's upload of that id, unless its time is over."""
    row = connection.execute(_GET, {"id": upload_id, "tenant": tenant}).one_or_none()
    return None if row is None else Upload(**values_of(row))


def add_part(connection: Connection, *, upload_id: str, offset: int, part: str, size: int) -> int | None:
    """Counts a part whose file is complete; returns where the upload stands now.

    None if it does not stand at `offset` any more, takes no more parts, or the part would go past its end.
    """
    given = {"id": upload_id, "offset": offset, "part": part, "size": size, "most": MOST_PARTS}
    return connection.execute(_ADD, given).scalar_one_or_none()


def record_bundle(connection: Connection, *, upload_id: str, bundle_id: str) -> None:
    """Records what a whole upload became, and that its parts are needed no more."""
    connection.execute(_BECAME, {"id": upload_id, "bundle": bundle_id})


def delete_upload(connection: Connection, *, upload_id: str) -> Sequence[str]:
    """Forgets an upload; returns its parts, which nobody needs from the commit on."""
    return connection.execute(_DELETE, {"id": upload_id}).scalar_one_or_none() or ()


def sweep_uploads(connection: Connection, *, older_than_seconds: float) -> list[str]:
    """Forgets uploads that began so long ago, whatever became of them; returns their ids."""
    return list(connection.execute(_SWEEP, {"seconds": older_than_seconds}).scalars())
