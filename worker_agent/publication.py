"""Puts a finished trial's files on the shared file system: everything redacted, `result.json` last and by rename."""

import errno
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from worker_agent.redaction import Redactor
from worker_agent.shipping import open_plain

RESULT = "result.json"
LARGEST_BYTES = 16 << 30  # a task can make a file of any size out of nothing: a sparse one
_REDACTED_WHOLE_BYTES = 64 << 20  # larger files are redacted in pieces
_ITS_OWN_FAULT = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY}
)
_DRAFT = ".publishing"  # short: a name may have 255 bytes already

_log = logging.getLogger(__name__)


def publish(local: Path, shared: Path, *, redactor: Redactor, shipped: frozenset[str]) -> None:
    """Copies what the shipper did not ship. When it returns, every file of the trial is on the disk of the file system.

    Links, sockets and devices stay behind: a reader of the shared tree must not be led out of it. So do files that are
    too large, which would hold up the run for ever.
    """
    shared.mkdir(parents=True, exist_ok=True)
    for path in _plain_files(local):
        relative = path.relative_to(local)
        if str(relative) != RESULT and str(relative) not in shipped:
            _copy_or_leave_out(path, shared / relative, within=local, redactor=redactor)
    for directory in ("agent", "verifier", "artifacts"):
        (shared / directory).mkdir(exist_ok=True)
    for folder, _, _ in shared.walk():
        _flush_directory(folder)
    if _is_whole(local / RESULT):
        _copy(local / RESULT, shared / RESULT, within=local, redactor=redactor)
    for folder in (shared, shared.parent):
        _flush_directory(folder)


def _is_whole(result: Path) -> bool:
    """Whether there is a result to show: on a full disk Harbor leaves an empty file, or half a document."""
    try:
        json.loads(result.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        _log.warning("%s is no whole document: left out", result)
        return False
    return True


def _plain_files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder, name)
            try:
                found = path.lstat()
            except OSError as fault:  # its whole path is longer than the kernel takes
                _log.warning("%r is left out: %s", str(path), fault)
                continue
            if found.st_size > LARGEST_BYTES:
                _log.warning("%s has %d bytes, which is too much to keep: left out", path, found.st_size)
            elif stat.S_ISREG(found.st_mode):
                yield path


def _copy_or_leave_out(source: Path, target: Path, *, within: Path, redactor: Redactor) -> None:
    """What is wrong with one file's own name or place will never be right, and must not hold up the run for ever."""
    try:
        _copy(source, target, within=within, redactor=redactor)
    except OSError as fault:
        if fault.errno not in _ITS_OWN_FAULT:
            raise
        _log.warning("%r is left out: %s", str(source), fault)


def _copy(source: Path, target: Path, *, within: Path, redactor: Redactor) -> None:
    descriptor = open_plain(source, within=within)
    if descriptor is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(_DRAFT)
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
