"""Puts a finished trial's files on the shared file system: everything redacted, `result.json` last and by rename."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from worker_agent.redaction import Redactor
from worker_agent.shipping import open_plain

RESULT = "result.json"
_REDACTED_WHOLE_BYTES = 64 << 20  # larger files are redacted in pieces


def publish(local: Path, shared: Path, *, redactor: Redactor, shipped: frozenset[str]) -> None:
    """Copies what the shipper did not ship. When it returns, every file of the trial is on the disk of the file system.

    Links, sockets and devices stay behind: a reader of the shared tree must not be led out of it.
    """
    shared.mkdir(parents=True, exist_ok=True)
    for path in _plain_files(local):
        relative = path.relative_to(local)
        if str(relative) != RESULT and str(relative) not in shipped:
            _copy(path, shared / relative, within=local, redactor=redactor)
    for directory in ("agent", "verifier", "artifacts"):
        (shared / directory).mkdir(exist_ok=True)
    if (local / RESULT).is_file():
        _copy(local / RESULT, shared / RESULT, within=local, redactor=redactor)
    _flush_directory(shared)


def _plain_files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _copy(source: Path, target: Path, *, within: Path, redactor: Redactor) -> None:
    descriptor = open_plain(source, within=within)
    if descriptor is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    with os.fdopen(descriptor, "rb") as reader, draft.open("wb") as writer:
        held = b""
        while data := reader.read(_REDACTED_WHOLE_BYTES):
            held += data
            ready = redactor.prefix(held)
            writer.write(ready)
            held = held[len(ready) :]
        writer.write(redactor.whole(held))
        writer.flush()
        os.fsync(writer.fileno())
    draft.replace(target)


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
