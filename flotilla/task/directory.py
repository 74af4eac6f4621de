"""A task in a directory on disk, as it is before it is packed."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from flotilla.task.fault import BundleRefused, Rule, refused
from flotilla.task.limits import Limits
from flotilla.task.members import MemberTable
from flotilla.task.tree import TEXT_BYTES, Kind, Member, text_too_large


class DirectoryTree:
    """The files under `root`, seen under the rules for bundles: what this refuses, an upload would be refused for."""

    def __init__(self, root: Path, *, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.root = root
        table = MemberTable(limits)
        total = 0
        for path, status in _walk(root):
            place = table.admit(path, kind=_kind(status.st_mode), executable=bool(status.st_mode & 0o111))
            if place is not None and stat.S_ISREG(status.st_mode):
                table.weigh(place, size=status.st_size)
                total += status.st_size
        if table.faults:
            raise BundleRefused(table.faults)
        if total > limits.unpacked_bytes:
            raise refused(
                f"The task has {total:,} bytes; a bundle may have {limits.unpacked_bytes:,}.",
                "Remove what it does not need, or fetch it when the image is built.",
                rule=Rule.LIMIT,
            )
        self._members = table.members()

    @property
    def members(self) -> Mapping[str, Member]:
        """Every file and folder by its path."""
        return self._members

    def read(self, path: str, *, limit: int = TEXT_BYTES) -> bytes:
        """The file's bytes; `BundleRefused` past the limit."""
        with (self.root / path).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise text_too_large(path, limit=limit)
        return content


def _walk(root: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(root / below) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{below}{entry.name}"
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, f"{path}/")


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.SPECIAL
