"""CPU seconds: of the whole machine, whoever used them, and of a process with all its descendants."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal, of /proc/stat's first line; not idle, not iowait


@dataclass(slots=True)
class Spent:
    """What a `with` block took, once it has ended."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def spending() -> Iterator[Spent]:
    """Wall and CPU seconds of the whole machine: the engine's and the kernel's work is part of the price."""
    spent = Spent()
    wall, cpu = time.monotonic(), machine_seconds()
    yield spent
    spent.wall, spent.cpu = time.monotonic() - wall, machine_seconds() - cpu


def machine_seconds(*, proc: Path = PROC) -> float:
    """CPU seconds that all cores together were busy since the machine started."""
    fields = (proc / "stat").read_text().splitlines()[0].split()[1:]
    return sum(int(fields[position]) for position in BUSY) / TICKS


def tree(pid: int, *, proc: Path = PROC) -> list[int]:
    """A process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for stat in proc.glob("[0-9]*/stat"):
        if (fields := _fields(stat)) is not None:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for parent in found:  # grows while it is read
        found += children.get(parent, [])
    return found


def process_seconds(pid: int, *, proc: Path = PROC) -> float:
    """CPU seconds of one living process and of those children of its that it has waited for; 0 if it has ended."""
    fields = _fields(proc / str(pid) / "stat")
    return 0.0 if fields is None else sum(int(fields[position]) for position in (11, 12, 13, 14)) / TICKS


def tree_seconds(pid: int, *, proc: Path = PROC) -> float:
    """CPU seconds of a process, its living descendants, and those that these have waited for."""
    return sum(process_seconds(each, proc=proc) for each in tree(pid, proc=proc))


def _fields(stat: Path) -> list[str] | None:
    """The fields after the command, which may hold anything; the first is the state."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:  # it ended since it was listed
        return None
