"""The shared file system: whether a file can be written, flushed, renamed, read back and removed there."""

import os
import time
from pathlib import Path

from worker_agent.health.finding import Finding, broken, degraded, healthy

SIZE = 4096  # bytes: one block
SLOW_SECONDS = 2.0
"""Five calls took so long: every trial's files will take minutes."""
MEND = "mount the shared file system there, writable for this account, or mend FLOTILLA_SHARED"


def measure(shared: Path, *, name: str) -> float:
    """Does it all with a file of that name; how many seconds it took. Raises `OSError`."""
    content = os.urandom(SIZE)
    draft, file = shared / f".health-{name}.draft", shared / f".health-{name}"
    began = time.monotonic()
    try:
        with draft.open("wb") as writer:
            writer.write(content)
            writer.flush()
            os.fsync(writer.fileno())
        draft.replace(file)
        if file.read_bytes() != content:
            raise OSError(f"{file} does not read as it was written")
    finally:
        for left in (draft, file):
            left.unlink(missing_ok=True)
    return time.monotonic() - began


def shared_files(shared: Path, seconds: float) -> Finding:
    """The finding on a file system that did it all."""
    seen = f"{SIZE} bytes were written, flushed, renamed, read back and removed at {shared} in {seconds * 1000:,.0f} ms"
    if seconds >= SLOW_SECONDS:
        return degraded("shared files", seen, mend="look at the file system's load and its network")
    return healthy("shared files", seen)


def missing(shared: Path) -> Finding:
    """There is nothing to write to: what is published there now would stay on this host."""
    return broken("shared files", f"{shared} is no directory", mend=MEND)
