"""The kernel's limits on a group of processes: number, memory and share of the processors, by cgroups v1 or v2."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path("/sys/fs/cgroup")
LIMITED = ("pids", "memory")
WANTED = (*LIMITED, "cpu")
"""The last one has no limit here: in a group of its own a trial gets no more than its share, however many it is."""
SHARES = {"cpu.weight": 10, "cpu.shares": 102}
"""By cgroups v2 and v1: a tenth of the usual one. The worker, which renews the leases of all, goes before each."""
GONE_SECONDS = 5.0
LOOK_SECONDS = 0.02

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """The folder of one group for each controller; in v2 they are the same."""

    folders: Mapping[str, Path]

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The groups that a process is in; None if it has ended, or this host does not show them."""
        found = {name: folder for name, folder in _folders_of(pid).items() if folder.is_dir()}
        return cls(folders=found) if found else None

    @classmethod
    def make(cls, name: str, *, processes: int, memory_bytes: int) -> Self | None:
        """A new group below or beside our own; None if this host, or who we are, allows none that limits processes."""
        made = {}
        for controller, folder in places().items():
            try:
                (folder / name).mkdir(exist_ok=True)
            except OSError as fault:
                _log.debug("no group of %s: %s", controller, fault)
            else:
                made[controller] = folder / name
        group = cls(folders=made)
        if "pids" not in made or not group._limit(processes=processes, memory_bytes=memory_bytes):
            group.remove()
            return None
        return group

    @classmethod
    def called(cls, name: str, *, within: Mapping[str, Path] | None = None) -> Self:
        """The group that `make` gives this name, in the places that are known, else wherever they are by now."""
        found = {controller: folder / name for controller, folder in (within or places()).items()}
        return cls(folders={controller: folder for controller, folder in found.items() if folder.is_dir()})

    def join(self, pid: int) -> None:
        """Move a process into it; what it starts from now on is in it too."""
        for folder in set(self.folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def is_full(self) -> bool:
        """Whether no process more may be started in it."""
        most = self.most_processes()
        return most is not None and self._number("pids", "pids.current") >= most

    def most_processes(self) -> int | None:
        """How many processes and threads it may have."""
        text = self._text("pids", "pids.max").strip()
        return int(text) if text.isdigit() else None

    def refusals(self) -> int:
        """How often a process was refused because it had all that it may have."""
        return int(self._events("pids", "pids.events").get("max", 0))

    def memory_kills(self) -> int:
        """How many of its processes the kernel has ended for want of memory."""
        events = self._events("memory", "memory.oom_control") or self._events("memory", "memory.events")
        return int(events.get("oom_kill", 0))

    def remove(self) -> None:
        """Remove it once its processes, which are ending, have gone; what stays is empty of power, and is told."""
        deadline = time.monotonic() + GONE_SECONDS
        for folder in set(self.folders.values()):
            while folder.is_dir():
                try:
                    folder.rmdir()
                except OSError as fault:
                    if time.monotonic() > deadline:
                        _log.warning("the control group %s stays: %s", folder, fault)
                        break
                    time.sleep(LOOK_SECONDS)

    def _limit(self, *, processes: int, memory_bytes: int) -> bool:
        try:
            (self.folders["pids"] / "pids.max").write_text(str(processes))
            if memory := self.folders.get("memory"):
                name = "memory.max" if (memory / "memory.max").exists() else "memory.limit_in_bytes"
                (memory / name).write_text(str(memory_bytes))
            for name, share in SHARES.items():
                if (cpu := self.folders.get("cpu")) and (cpu / name).exists():
                    (cpu / name).write_text(str(share))
        except OSError as fault:
            _log.debug("no limits: %s", fault)
            return False
        return True

    def _events(self, controller: str, file: str) -> dict[str, str]:
        rows = (line.split() for line in self._text(controller, file).splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 2}

    def _number(self, controller: str, file: str) -> int:
        return int(self._text(controller, file) or 0)

    def _text(self, controller: str, file: str) -> str:
        """A file of the group; empty if it is not there, or the group has gone."""
        folder = self.folders.get(controller)
        try:
            return (folder / file).read_text() if folder else ""
        except OSError:
            return ""


def _is_unified() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _folders_of(pid: int) -> dict[str, Path]:
    """Where each wanted controller has a process."""
    try:
        rows = Path("/proc", str(pid), "cgroup").read_text().splitlines()
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for row in rows:
        _, controllers, place = row.split(":", 2)
        if _is_unified() and not controllers:
            return {name: ROOT / place.lstrip("/") for name in WANTED}
        found |= {name: ROOT / controllers / place.lstrip("/") for name in controllers.split(",") if name in WANTED}
    return found


def places() -> dict[str, Path]:
    """Where we may make a group, for each controller."""
    own = _folders_of(os.getpid())
    if not _is_unified():
        return {name: folder for name, folder in own.items() if os.access(folder, os.W_OK)}
    for folder in dict.fromkeys(place for start in own.values() for place in (start, start.parent, ROOT)):
        # Who has processes of its own may not hand controllers on, so ours may have to be beside us.
        control = folder / "cgroup.subtree_control"
        given = control.read_text().split() if control.is_file() else []
        if set(LIMITED) <= set(given) and os.access(folder, os.W_OK):
            return {name: folder for name in WANTED if name in given}
    return {}
