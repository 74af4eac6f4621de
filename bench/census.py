"""What a host has at its fullest: containers, networks, processes, open files; looked at while something else runs."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import engine
from bench.cpu import PROC, tree
from worker_agent.docker.engine import Engine

LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Peak:
    """The most of each thing that was seen."""

    counts: dict[str, int] = field(default_factory=dict)

    def see(self, **counts: int) -> None:
        """One look."""
        for name, count in counts.items():
            self.counts[name] = max(count, self.counts.get(name, 0))


@contextmanager
def watching(pid: int, *, workers: list[str]) -> Iterator[Peak]:
    """Looks again and again until the block ends, which is the price of knowing: about a twentieth of a core."""
    peak, done = Peak(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, done, pid, workers))
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _watch(peak: Peak, done: threading.Event, pid: int, workers: list[str]) -> None:
    while not done.wait(LOOK_SECONDS):
        held = asyncio.run(_held_by_engine(workers))
        ours = tree(pid)
        peak.see(
            **held,
            processes_of_the_machine=sum(1 for _ in PROC.glob("[0-9]*")),
            processes_of_the_stack=len(ours),
            open_files_of_the_machine=int(Path("/proc/sys/fs/file-nr").read_text().split()[0]),
            open_files_of_the_stack=sum(map(_open_files, ours)),
        )


async def _held_by_engine(workers: list[str]) -> dict[str, int]:
    client = Engine()
    networks = await client.json("GET", "/networks")
    return {"containers": await engine.containers(client, workers=workers), "networks": len(networks)}


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:  # it ended since it was listed
        return 0
