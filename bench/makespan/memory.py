"""Memory of a process with all its descendants, each shared page counted once: PSS, watched for its peak."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import PROC, tree

LOOK_SECONDS = 10.0  # thousands of processes are looked at each time
KIBIBYTE = 1024


@dataclass(slots=True)
class Peak:
    """The most that was seen."""

    octets: int = 0
    processes: int = 0


@contextmanager
def watching(pid: int) -> Iterator[Peak]:
    """Looks every few seconds until the block ends."""
    peak, done = Peak(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, done, pid))
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _watch(peak: Peak, done: threading.Event, pid: int) -> None:
    while not done.wait(LOOK_SECONDS):
        living = tree(pid)
        peak.octets = max(peak.octets, sum(map(_share, living)))
        peak.processes = max(peak.processes, len(living))


def _share(pid: int) -> int:
    try:
        lines = Path(PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # it ended since it was listed
        return 0
    return sum(int(line.split()[1]) * KIBIBYTE for line in lines if line.startswith("Pss:"))
