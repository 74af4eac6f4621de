"""Sweeps `uploads/`: what nobody has completed for a day is removed."""

import shutil
from pathlib import Path

from sqlalchemy import Engine

from flotilla.layout import Layout
from flotilla.store.uploads import sweep_uploads
from flotilla.uploading import UPLOAD_SECONDS

FILE_SECONDS = UPLOAD_SECONDS + 3600.0
"""Longer than any row may name a file: a part is never missing from an upload that still goes on."""


def sweep(engine: Engine, layout: Layout, *, now: float) -> int:
    """Forgets uploads that are over and removes what they left; returns how many files it was."""
    with engine.begin() as connection:
        sweep_uploads(connection, older_than_seconds=UPLOAD_SECONDS)
    return sweep_files(layout, now=now)


def sweep_files(layout: Layout, *, now: float, age_seconds: float = FILE_SECONDS) -> int:
    """Removes what was last written so long before `now` (seconds since the epoch); returns how many entries it was.

    An entry that somebody else removes meanwhile is fine. A link is removed, never followed.
    """
    try:
        entries = list(layout.uploads.iterdir())
    except FileNotFoundError:
        return 0  # nothing was ever uploaded
    stale = [entry for entry in entries if _written_at(entry, missing=now) < now - age_seconds]
    for entry in stale:
        _remove(entry)
    return len(stale)


def _written_at(entry: Path, *, missing: float) -> float:
    try:
        return entry.lstat().st_mtime
    except FileNotFoundError:
        return missing


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)  # an upload that goes on in it keeps it until the next sweep
    else:
        entry.unlink(missing_ok=True)
