"""Unpacking a bundle: all of it, or nothing."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flotilla.archive.reading import read_bundle, task_folder
from flotilla.task.limits import Limits
from flotilla.task.tree import Kind

_FOLDER_MODE = 0o755
_FILE_MODE = 0o644
_PROGRAM_MODE = 0o755


class _Writer:
    """Writes files below a new folder that nobody else knows of, so that no name in it can lead anywhere."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = {root}

    def __call__(self, path: str, *, executable: bool, chunks: Iterator[bytes]) -> None:
        place = self._root / path
        mode = _PROGRAM_MODE if executable else _FILE_MODE
        # Every call costs milliseconds on a shared file system, so none is made for what is so already.
        if place.parent not in self._folders:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(place.parent)
        with place.open("xb") as file:
            file.writelines(chunks)
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) != mode:
                os.fchmod(file.fileno(), mode)


def unpack(path: Path, target: Path, *, limits: Limits) -> None:
    """Unpacks the task to `target`, which must not exist; it appears complete, by rename, or not at all.

    Raises `BundleRefused` as `open_archive` does, and `FileExistsError` if the target is there.
    """
    if target.exists():
        raise FileExistsError(f"{target} is already there; unpack to a new place or remove it first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, since a rename cannot cross file systems.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        root = Path(beside) / "task"
        root.mkdir()
        members = read_bundle(path, limits=limits, receive=_Writer(root))
        for place, member in members.items():
            if member.kind is Kind.FOLDER:
                (root / place).mkdir(parents=True, exist_ok=True)
                (root / place).chmod(_FOLDER_MODE)
        root.chmod(_FOLDER_MODE)
        (root / task_folder(members)).rename(target)
