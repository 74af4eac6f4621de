"""Clears away what trials left: those of earlier incarnations at the start, then those that this one does not know.

What could not be removed is tried again in every round; so is what a trial's own end could not remove. The images that
trials share are kept under their budget.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.docker.governor import Governor
from worker_agent.docker.image_budget import ImageBudget
from worker_agent.docker.leftovers import remove_objects, strays
from worker_agent.environments import LABEL, Chosen, worker_labels
from worker_agent.health.room import GIB
from worker_agent.sandbox.groups import groups_of
from worker_agent.sandbox.leftovers import remove_scratch
from worker_agent.settings import WorkerSettings

GONE_SECONDS = 10.0
ROUND_SECONDS = 60.0
GRACE_SECONDS = 120.0
"""Nothing younger is a stray: its trial's process may have ended a moment ago and be taking it down."""
TRIAL = f"{LABEL}.trial"

_log = logging.getLogger(__name__)


class Janitor:
    """Removes, while the worker goes on, what carries its label and belongs to no trial that it has in hand."""

    def __init__(self, settings: WorkerSettings, chosen: Chosen, *, trials: Callable[[], Collection[str]]) -> None:
        self._labels = worker_labels(settings)
        self._engine = Engine(chosen.docker_host) if chosen.docker_host else None
        self._trials = trials
        self._budget = _budget(settings, self._engine) if self._engine else None

    async def run(self) -> None:
        """A round a minute, until it is cancelled; an engine that does not answer is asked in the next one."""
        while self._budget is not None:
            await asyncio.sleep(ROUND_SECONDS)
            await _left_to_the_next_round(self.clear(older_than=time.time() - GRACE_SECONDS), what="strays")
            await _left_to_the_next_round(self._budget.keep(), what="images beyond their budget")
        await asyncio.Event().wait()  # a sandbox ends with its trial's process; the supervisor's loops end together

    async def clear(self, *, older_than: float) -> None:
        """One round; the moment is in seconds since the epoch. What one stray meets holds up no other."""
        if self._engine is None:
            return
        found = await strays(self._engine, self._labels, of=TRIAL, known=self._trials(), older_than=older_than)
        for name in found:
            removal = _remove_stray(self._engine, name, labels={**self._labels, TRIAL: name})
            await _left_to_the_next_round(removal, what=f"the strays of {name}")


async def clear_leftovers(settings: WorkerSettings, chosen: Chosen) -> None:
    """Ends what still runs, then removes what it held. Must be called before this incarnation starts a nursery."""
    await clear_place(settings.scratch, worker_name=settings.worker_name, docker_host=chosen.docker_host)


async def clear_place(scratch: Path, *, worker_name: str, docker_host: str | None) -> list[str]:
    """The same for any worker of this host that is dead, by its scratch directory and name; what was removed."""
    await _end_processes(scratch)
    removed = await _remove_objects(docker_host, {f"{LABEL}.worker": worker_name}) if docker_host else []
    trials = scratch / "trials"
    for place in sorted(trials.iterdir()) if trials.is_dir() else ():
        for group in groups_of(place / "sandbox"):
            await asyncio.to_thread(group.remove)
        await asyncio.to_thread(remove_scratch, place)
        removed.append(f"scratch {place.name}")
        _log.info("removed the scratch of %s", place.name)
    return removed


async def remove_docker_objects(settings: WorkerSettings, chosen: Chosen) -> None:
    """Removes this worker's containers, networks, volumes and images; nothing else on the engine has its label.

    What stays, because the engine does not do it now, is removed when a worker of this name starts again.
    """
    if chosen.docker_host is not None:
        removal = _remove_objects(chosen.docker_host, worker_labels(settings))
        await _left_to_the_next_round(removal, what="the worker's containers and networks")


async def remove_trial_objects(chosen: Chosen, trial_name: str) -> None:
    """Removes what a trial left whose process was killed. An engine that does not answer is left to the next round."""
    if chosen.docker_host is not None:
        removal = _remove_objects(chosen.docker_host, {TRIAL: trial_name})
        await _left_to_the_next_round(removal, what=f"the containers of {trial_name}")


async def _remove_stray(engine: Engine, name: str, *, labels: Mapping[str, str]) -> None:
    for removed in await remove_objects(engine, labels):
        _log.warning("removed %s, a stray of %s", removed, name)


async def _left_to_the_next_round(work: Awaitable[object], *, what: str) -> None:
    """Do it; what the engine does not do now is said, and there is a next time."""
    try:
        await work
    except (EngineError, EngineUnavailableError) as fault:
        _log.warning("%s were not removed: %s", what, fault)


def _budget(settings: WorkerSettings, engine: Engine) -> ImageBudget:
    governor = Governor(directory=settings.governor or settings.scratch / "governor")
    most = None if settings.image_budget_gb is None else settings.image_budget_gb * GIB
    return ImageBudget(engine=engine, governor=governor, stock=governor.stock(), most_bytes=most)


async def _remove_objects(host: str, labels: dict[str, str]) -> list[str]:
    removed = await remove_objects(Engine(host), labels)
    for one in removed:
        _log.info("removed %s", one)
    return removed


async def _end_processes(scratch: Path) -> None:
    """The old nursery and its trials die with their supervisor, but Harbor may still be taking something down."""
    deadline = asyncio.get_running_loop().time() + GONE_SECONDS
    while left := _processes_of(scratch):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it ended by itself since we looked
                continue
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(f"processes {left} of an earlier worker on {scratch} do not end: end them, or reboot")
        await asyncio.sleep(0.1)


def _processes_of(scratch: Path) -> list[int]:
    """Nurseries that were started for this scratch directory, and all that has a trial's home in it."""
    mark = ["-m", "worker_agent.nursery", "--scratch", str(scratch)]
    home = f"HOME={scratch}/trials/"
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in entries if _shows(entry, mark) or _lives_in(entry, home)]


def _shows(process: Path, mark: list[str]) -> bool:
    return _words(process / "cmdline")[1 : 1 + len(mark)] == mark


def _lives_in(process: Path, home: str) -> bool:
    return any(word.startswith(home) for word in _words(process / "environ"))


def _words(file: Path) -> list[str]:
    try:
        return file.read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it ended by itself since we looked, or is another account's
        return []
