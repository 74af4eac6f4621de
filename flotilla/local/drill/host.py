"""What can be done to a worker's process tree and disk from outside: stopped, ended, filled, slowed down."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

_ROOMY, _DISK_NAME = "64g", "small-disk"  # of memory only what is written is taken
_BALLAST_BYTES = 512 << 20  # beside it what ended trials give back is little, as on a real disk that is full
_FSYNC_DELAY = 1_500_000  # microseconds, which a busy network file system needs now and then


class CannotInjure(Exception):
    """This host does not allow the injury; the message says what is missing."""


def tree(pid: int) -> list[int]:
    """A process and all its descendants, ancestors first."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop(0)
        found.append(one)
        for task in Path("/proc", str(one), "task").glob("*/children"):
            with suppress(OSError):  # it ended since we looked
                todo += [int(child) for child in task.read_text().split()]
    return found


def stop_tree(pid: int) -> list[int]:
    """Stops a process with all its descendants, those included that are born meanwhile; returns them."""
    stopped: list[int] = []
    while new := [one for one in tree(pid) if one not in stopped]:
        _signal_all(new, signal.SIGSTOP)
        stopped += new
    return stopped


def continue_all(pids: list[int]) -> None:
    """Lets stopped processes go on, descendants first: no parent takes a stopped child for a silent one."""
    _signal_all(list(reversed(pids)), signal.SIGCONT)


def kill_tree(pid: int) -> None:
    """Ends a process with all its descendants at one moment, as a machine that loses its power does."""
    _signal_all(tree(pid), signal.SIGKILL)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class SmallDisk:
    """A disk of its own under one worker's scratch, which can be full. Gone with this process: see `private_mounts`."""

    def __init__(self, root: Path, *, scratch: Path) -> None:
        """Mounts it. The worker's name stays part of every path on it, by which the ledger knows the worker."""
        self._root = root / _DISK_NAME
        own = self._root / scratch.parent.name / scratch.name
        self._root.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={_ROOMY},mode=700", "flotilla-drill", str(self._root))
        own.mkdir(parents=True)
        scratch.mkdir(parents=True)
        _mount("--bind", str(own), str(scratch))
        self._scratch = scratch
        self._ballast = self._root / "ballast"

    def fill(self) -> None:
        """Nothing more can be written."""
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, _BALLAST_BYTES)
        disk = os.statvfs(self._root)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        _mount("-o", f"remount,size={max(used, disk.f_frsize)}", str(self._root))

    def empty(self) -> None:
        """There is room again."""
        self._ballast.unlink()
        _mount("-o", f"remount,size={_ROOMY}", str(self._root))

    def close(self) -> None:
        """Unmounts it, for a look at what else is left."""
        for place in (self._scratch, self._root):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def private_mounts() -> None:
    """Puts this process, and what it starts, into a mount namespace of its own. Raises CannotInjure without the right.

    What is mounted then ends with the last process in it, however that ends.
    """
    if os.geteuid() != 0:
        raise CannotInjure("a full disk needs a disk to fill, and only root may mount one")
    try:
        os.unshare(os.CLONE_NEWNS)
        _mount("--make-rprivate", "/")
    except (OSError, subprocess.CalledProcessError) as fault:
        raise CannotInjure(f"a full disk needs a disk to fill, and none can be mounted here ({fault})") from fault


@contextmanager
def slow_fsync(pid: int) -> Iterator[None]:
    """Every fsync of this process's threads takes long, for the length of a `with` block. Raises CannotInjure."""
    strace = which("strace")
    if strace is None:
        raise CannotInjure("a slow shared directory is made with strace, which is not installed")
    inject = f"inject=fsync:delay_enter={_FSYNC_DELAY}"
    tracer = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", strace, "-qq", "-f", "-p", str(pid), "-e", "trace=fsync", "-e", inject],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        attached = tracer.poll() is None
        tracer.terminate()  # it lets go of the process
        tracer.wait()
    if not attached and Path("/proc", str(pid)).exists():
        raise CannotInjure("strace may not attach to a process here, which a slow shared directory is made with")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
