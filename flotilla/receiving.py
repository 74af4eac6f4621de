"""How a bundle arrives: streamed to `uploads/`, checked there, then linked to its place under its digest."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Engine

from flotilla.archive import open_archive
from flotilla.ids import new_id
from flotilla.layout import BundleFormat, Layout
from flotilla.store.bundles import Bundle, NewBundle, put_bundle
from flotilla.task import Kind, Limits, check

UNNAMED_TASK = "task"
_ZIP_MAGIC = b"PK"


class Arrival:
    """An upload under way: its file, and the digest and size (bytes) of what came so far."""

    def __init__(self, file: BinaryIO, *, path: Path) -> None:
        self.path = path
        self.size = 0
        self.kept = False
        """Whether the file is to stay where it is."""
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def complete(self) -> None:
        """Brings all bytes to the disk, so that whoever opens the file by name reads them."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


@contextmanager
def arriving(layout: Layout) -> Iterator[Arrival]:
    """A new file, which leaves `uploads/` at the end of the `with` block, however that ends, unless it is `kept`."""
    layout.uploads.mkdir(parents=True, exist_ok=True)
    path = layout.uploads / new_id("arrival")
    with path.open("xb") as file:
        arrival = Arrival(file, path=path)
        try:
            yield arrival
        finally:
            if not arrival.kept:
                path.unlink(missing_ok=True)


def receive_bundle(
    engine: Engine, arrival: Arrival, *, tenant: str, layout: Layout, limits: Limits, allow_host_access: bool = False
) -> Bundle:
    """Checks what arrived, and keeps it: the file first, then its row. The same archive again is the same bundle.

    Raises BundleRefused, and then nothing is kept.
    """
    arrival.complete()
    archive = open_archive(arrival.path, limits=limits)
    task = check(archive, allow_host_access=allow_host_access)
    files = [member for member in archive.members.values() if member.kind is Kind.FILE]
    bundle = NewBundle(
        tenant=tenant,
        sha256=arrival.sha256,
        format=_format(arrival.path),
        size=arrival.size,
        unpacked_size=sum(file.size for file in files),
        files=len(files),
        task_name=task.name or archive.folder or UNNAMED_TASK,
        task=asdict(task),
    )
    with engine.begin() as connection:
        kept = put_bundle(connection, bundle)
        # Before the commit: a row promises a file. A file without a row, should the commit fail, promises nothing.
        _keep(arrival.path, layout.bundle(bundle.sha256))
    return kept


def _format(path: Path) -> BundleFormat:
    """Which of the two a sound archive is."""
    with path.open("rb") as file:
        return BundleFormat.ZIP if file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC else BundleFormat.TAR_GZ


def _keep(path: Path, target: Path) -> None:
    """Gives the complete file its second name, all at once; a file of that name has the same content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # somebody sent the same archive before, or at this moment
        target.hardlink_to(path)
    sync_directory(target.parent)


def sync_directory(path: Path) -> None:
    """Brings the names of new files to the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
