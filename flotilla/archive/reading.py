"""Reading a bundle's archive once, in one way, for whoever takes its files."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from flotilla.archive.entry import Entry
from flotilla.archive.tarred import tar_entries
from flotilla.archive.zipped import zip_entries
from flotilla.task.fault import BundleRefused, Rule, refused
from flotilla.task.limits import Limits
from flotilla.task.members import MemberTable
from flotilla.task.tree import Kind, Member


class Receiver(Protocol):
    """Takes the files of a bundle as they come by."""

    def __call__(self, path: str, *, executable: bool, chunks: Iterator[bytes]) -> None:
        """Takes one file; may leave chunks that it does not want."""


class _Meter:
    """Counts the bytes that really come out of an archive."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._limit = limit

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.total += len(chunk)
            if self.total > self._limit:
                raise refused(
                    f"The files take more than {self._limit:,} bytes.",
                    "Remove what the task does not need, or fetch it when the image is built.",
                    rule=Rule.LIMIT,
                )
            yield chunk


def read_bundle(path: Path, *, limits: Limits, receive: Receiver) -> dict[str, Member]:
    """Reads every byte of the archive and gives its sound files to `receive`; the members by their paths in it.

    Raises `BundleRefused`, which may be after files were received: only the return says that the bundle is sound.
    """
    table = MemberTable(limits)
    meter = _Meter(limits.unpacked_bytes)
    for entry in _entries(path, limits=limits):
        place = table.admit(entry.name, kind=entry.kind, executable=entry.executable)
        before = meter.total
        chunks = meter.watch(entry.chunks)
        if place is not None and entry.kind is Kind.FILE:
            receive(place, executable=entry.executable, chunks=chunks)
        deque(chunks, maxlen=0)  # what nobody wanted is read too: sums are checked, sizes counted
        if place is not None:
            table.weigh(place, size=meter.total - before)
    if table.faults:
        raise BundleRefused(table.faults)
    members = dict(table.members())
    if not members:
        raise refused("The archive is empty.", "Pack the task's files into it.", rule=Rule.ARCHIVE)
    return members


def task_folder(members: dict[str, Member]) -> str:
    """Where in the archive the task lies: `""`, or the name of the only folder."""
    tops = {path.partition("/")[0] for path in members}
    if "task.toml" in tops or len(tops) > 1:
        return ""
    (top,) = tops
    return top if members[top].kind is Kind.FOLDER else ""


def _entries(path: Path, *, limits: Limits) -> Iterator[Entry]:
    size = path.stat().st_size
    if size > limits.packed_bytes:
        raise refused(
            f"The archive has {size:,} bytes; it may have {limits.packed_bytes:,}.",
            "Remove what the task does not need, or fetch it when the image is built.",
            rule=Rule.LIMIT,
        )
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning in {b"PK\x03\x04", b"PK\x05\x06"}:
        return zip_entries(path, limits=limits)
    if beginning.startswith(b"\x1f\x8b"):
        return tar_entries(path, limits=limits)
    raise refused("This is no .zip and no .tar.gz archive.", "Pack the task with zip or tar -czf.", rule=Rule.ARCHIVE)
