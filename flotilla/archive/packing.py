"""Packing a task directory: the same files give the same bytes."""

import shutil
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flotilla.task.directory import DirectoryTree
from flotilla.task.tree import Kind, Member

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first moment that zip can state: when a file was touched must not change the bundle."""

_MADE_ON_UNIX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What went into a bundle."""

    files: int
    unpacked_bytes: int


def pack(task_dir: Path, target: BinaryIO) -> Packed:
    """Writes the task as a zip: sorted, without times, execute bits kept. `BundleRefused` for links and the like."""
    tree = DirectoryTree(task_dir)
    files = [member for member in tree.members.values() if member.kind is Kind.FILE]
    with zipfile.ZipFile(target, "w") as archive:
        for member in sorted(tree.members.values(), key=lambda member: member.path):
            _add(archive, member, task_dir=task_dir)
    return Packed(files=len(files), unpacked_bytes=sum(member.size for member in files))


def _add(archive: zipfile.ZipFile, member: Member, *, task_dir: Path) -> None:
    is_folder = member.kind is Kind.FOLDER
    info = zipfile.ZipInfo(f"{member.path}/" if is_folder else member.path, date_time=_LONG_AGO)
    info.create_system = _MADE_ON_UNIX
    mode = stat.S_IFDIR | 0o755 if is_folder else stat.S_IFREG | (0o755 if member.executable else 0o644)
    info.external_attr = mode << 16
    if is_folder:
        archive.writestr(info, b"")
        return
    info.compress_type = zipfile.ZIP_DEFLATED
    info.file_size = member.size
    with (task_dir / member.path).open("rb") as source, archive.open(info, "w") as packed:
        shutil.copyfileobj(source, packed)
