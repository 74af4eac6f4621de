"""This process's children and, because it adopts them, their orphans: so that nothing outlives the stack."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # from linux/prctl.h
_LOOK_SECONDS = 0.05


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def children() -> set[int]:
    """The process ids of this process's children, dead ones that nobody waited for included."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # the thread has ended since: its children are another's now
            found |= {int(pid) for pid in thread.read_text().split()}
    return found


def reap_orphans(*, known: Collection[int]) -> set[int]:
    """Buries the adopted children that have ended; returns those that live. `known` are somebody else's to wait for."""
    return {pid for pid in children() - set(known) if _lives(pid)}


def end_orphans(*, known: Collection[int], grace_seconds: float) -> None:
    """Waits until every adopted child has ended; kills those that have not after `grace_seconds`."""
    deadline = time.monotonic() + grace_seconds
    while orphans := reap_orphans(known=known):
        if time.monotonic() > deadline:
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)  # not waited for yet, so the pid is still this child's
        time.sleep(_LOOK_SECONDS)


def _lives(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # waited for between the look and now
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    return False


def has_ended(pid: int) -> bool:
    """Whether a child has ended; whoever started it can still ask for its status."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody asked already
        return True
