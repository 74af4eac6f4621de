"""Bundles: one row an archive and tenant, found again by its digest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from flotilla.ids import new_id
from flotilla.layout import BundleFormat
from flotilla.store.documents import as_json
from flotilla.store.rows import values_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBundle:
    """A checked archive. Sizes in bytes; `task` is what the check found out about the task."""

    tenant: str
    sha256: str
    format: BundleFormat
    size: int
    unpacked_size: int
    files: int
    task_name: str
    task: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A stored bundle."""

    id: str
    sha256: str
    format: BundleFormat
    size: int
    unpacked_size: int
    files: int
    task_name: str
    created_at: datetime


_PUT = text("""
    INSERT INTO bundles (id, tenant, sha256, format, size, unpacked_size, files, task_name, task)
    VALUES (:id, :tenant, :sha256, :format, :size, :unpacked_size, :files, :task_name, CAST(:task AS jsonb))
    ON CONFLICT (tenant, sha256) DO UPDATE SET task = EXCLUDED.task
    RETURNING id, sha256, format, size, unpacked_size, files, task_name, created_at
""")

_GET = text("""
    SELECT id, sha256, format, size, unpacked_size, files, task_name, created_at
    FROM bundles WHERE id = :id AND tenant = :tenant
""")


def put_bundle(connection: Connection, bundle: NewBundle) -> Bundle:
    """Writes a bundle; the same archive again gives the same bundle."""
    row = connection.execute(
        _PUT,
        {
            "id": new_id("bundle"),
            "tenant": bundle.tenant,
            "sha256": bundle.sha256,
            "format": bundle.format,
            "size": bundle.size,
            "unpacked_size": bundle.unpacked_size,
            "files": bundle.files,
            "task_name": bundle.task_name,
            "task": as_json(bundle.task),
        },
    ).one()
    return Bundle(**{**values_of(row), "format": BundleFormat(row.format)})


def get_bundle(connection: Connection, *, bundle_id: str, tenant: str) -> Bundle | None:
    """The tenant's bundle of that id."""
    row = connection.execute(_GET, {"id": bundle_id, "tenant": tenant}).one_or_none()
    return None if row is None else Bundle(**{**values_of(row), "format": BundleFormat(row.format)})
