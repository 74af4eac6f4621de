"""A process with all that descends from it, as the kernel shows it: stopped and continued as one."""

import os
import signal
from pathlib import Path


def tree(root: int) -> list[int]:
    """The process ids of a process and its descendants, parents first."""
    pids = [root]
    for pid in pids:  # it grows while it is walked
        pids += [int(child) for task in _tasks(pid) for child in task.read_text().split()]
    return pids


def stop(root: int) -> list[int]:
    """Stops the whole tree, from the top, until nobody is left to make new processes; returns whom."""
    stopped: list[int] = []
    while new := [pid for pid in tree(root) if pid not in stopped]:
        for pid in new:
            os.kill(pid, signal.SIGSTOP)
        stopped += new
    return stopped


def resume(pids: list[int]) -> None:
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/children"))
