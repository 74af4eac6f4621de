"""The mounts of a sandbox, as values: the keeper carries them out in their order, inside the namespaces."""

from pathlib import Path
from typing import NamedTuple

from worker_agent.sandbox.kernel import BIND, NO_DEVICES, NO_EXEC, NO_SUID, READ_ONLY

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Root in a sandbox is the host's user 0 to every file that asks for no capability, so these are closed as container
# engines close them: what tells of the host is covered, what would change it is read-only.
_COVERED_FILES = ("kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats")
_COVERED_FOLDERS = ("acpi", "asound", "dynamic_debug", "scsi")
_READ_ONLY = ("bus", "driver", "fs", "irq", "mtrr", "sys", "sysrq-trigger")
_SHARED_MEMORY = "mode=1777,size=64m"  # as much as a container gets by default


class Mount(NamedTuple):
    """One call of mount(2). Relative paths start at the scratch directory, so that no host path shows inside."""

    source: str
    target: str
    kind: str = ""
    flags: int = 0
    data: str = ""


def bind(source: Path | str, target: str, *, read_only: bool = False) -> Mount:
    """The same file or directory at a second place."""
    return Mount(str(source), target, flags=BIND | (READ_ONLY if read_only else 0))


def system_mounts(root: str, *, empty: str) -> list[Mount]:
    """`/proc` with its covers and a minimal `/dev` below `root`; `empty` is an empty directory to cover others with."""
    proc, dev = f"{root}/proc", f"{root}/dev"
    return [
        Mount("proc", proc, kind="proc", flags=NO_SUID | NO_DEVICES | NO_EXEC),
        *(
            bind("/dev/null", f"{proc}/{name}", read_only=True)
            for name in _COVERED_FILES
            if Path("/proc", name).exists()
        ),
        *(bind(empty, f"{proc}/{name}", read_only=True) for name in _COVERED_FOLDERS if Path("/proc", name).exists()),
        *(
            bind(f"{proc}/{name}", f"{proc}/{name}", read_only=True)
            for name in _READ_ONLY
            if Path("/proc", name).exists()
        ),
        # Read-only keeps their modes and owners; reading and writing a device does not ask for more.
        *(bind(f"/dev/{name}", f"{dev}/{name}", read_only=True) for name in _DEVICES),
        Mount(
            "devpts",
            f"{dev}/pts",
            kind="devpts",
            flags=NO_SUID | NO_EXEC,
            data="newinstance,ptmxmode=0666,mode=620",
        ),
        Mount("shm", f"{dev}/shm", kind="tmpfs", flags=NO_SUID | NO_DEVICES, data=_SHARED_MEMORY),
    ]


def device_names() -> tuple[str, ...]:
    """The files below `/dev` that need a place to be mounted on."""
    return _DEVICES
