"""Puts a finished trial's files on the shared file system: everything redacted, `result.json` last and by rename."""

import errno
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from worker_agent.bounds import MOST_OUTPUT_FILES, Amount
from worker_agent.plain_files import open_plain
from worker_agent.redaction import Redactor

RESULT = "result.json"
MOST = Amount(bytes=2 << 30, files=MOST_OUTPUT_FILES)  # a task can make files of any size out of nothing: sparse ones
LARGEST_RESULT_BYTES = 16 << 20  # it becomes a row of the database
LEFT_OUT = "left_out.txt"
_MOST_NAMED = 100
_REDACTED_WHOLE_BYTES = 64 << 20  # larger files are redacted in pieces
_ITS_OWN_FAULT = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY}
)
_DRAFT = ".publishing"  # short: a name may have 255 bytes already

_log = logging.getLogger(__name__)


def publish(local: Path, shared: Path, *, redactor: Redactor, shipped: frozenset[str], most: Amount = MOST) -> None:
    """Copies what the shipper did not ship. When it returns, every file of the trial is on the disk of the file system.

    Links, sockets and devices stay behind: a reader of the shared tree must not be led out of it. So does what is more
    than `most`, which would hold up the run for ever; `left_out.txt` names it.
    """
    shared.mkdir(parents=True, exist_ok=True)
    chosen, left_out = _chosen(local, shipped=shipped, most=most)
    for path in chosen:
        _copy_or_leave_out(path, shared / path.relative_to(local), within=local, redactor=redactor)
    if left_out:
        _tell_left_out(shared / LEFT_OUT, left_out, most=most)
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
        if result.stat().st_size > LARGEST_RESULT_BYTES:
            return False
        json.loads(result.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        _log.warning("%s is no whole document: left out", result)
        return False
    return True


def _chosen(local: Path, *, shipped: frozenset[str], most: Amount) -> tuple[list[Path], list[str]]:
    """The files to copy, and the names of those that are too much."""
    chosen: list[Path] = []
    left_out: list[str] = []
    copied = Amount()
    for path, size in _plain_files(local):
        name = str(path.relative_to(local))
        if name == RESULT or name in shipped:
            continue
        if (copied + Amount(bytes=size, files=1)).is_past(most):
            left_out.append(f"{name!r} ({size:,} bytes)")
        else:
            copied += Amount(bytes=size, files=1)
            chosen.append(path)
    return chosen, left_out


def _tell_left_out(place: Path, names: list[str], *, most: Amount) -> None:
    more = [f"and {len(names) - _MOST_NAMED:,} more"] if len(names) > _MOST_NAMED else []
    head = f"Files of this trial that are not kept, since they are more than {most}:"
    place.write_text("\n".join([head, *names[:_MOST_NAMED], *more, ""]))


def _plain_files(root: Path) -> Iterator[tuple[Path, int]]:
    """Every plain file and its size; folders with long paths, which the kernel does not open, hold none."""
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder, name)
            try:
                found = path.lstat()
            except OSError as fault:  # its whole path is longer than the kernel takes
                _log.warning("%r is left out: %s", str(path), fault)
                continue
            if stat.S_ISREG(found.st_mode):
                yield path, found.st_size


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
