"""Clears away what an earlier incarnation of this worker left: its processes, containers, sandboxes and scratch."""

import asyncio
import logging
import os
import signal
from pathlib import Path

from worker_agent.docker.engine import Engine
from worker_agent.docker.leftovers import remove_labelled
from worker_agent.environments import Chosen, worker_labels
from worker_agent.sandbox.leftovers import remove_scratch
from worker_agent.settings import WorkerSettings

GONE_SECONDS = 10.0

_log = logging.getLogger(__name__)


async def clear_leftovers(settings: WorkerSettings, chosen: Chosen) -> None:
    """Ends what still runs, then removes what it held. Must be called before this incarnation starts a nursery."""
    await _end_processes(settings.scratch)
    await remove_docker_objects(settings, chosen)
    trials = settings.scratch / "trials"
    for place in sorted(trials.iterdir()) if trials.is_dir() else ():
        await asyncio.to_thread(remove_scratch, place)
        _log.info("removed the scratch of %s", place.name)


async def remove_docker_objects(settings: WorkerSettings, chosen: Chosen) -> None:
    """Removes this worker's containers, networks and volumes; nothing else on the engine carries its label."""
    if chosen.docker_host is not None:
        for removed in await remove_labelled(Engine(chosen.docker_host), worker_labels(settings)):
            _log.info("removed %s", removed)


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
    """Nurseries that were started for this scratch directory, and the trials they forked: all show its command line."""
    mark = ["-m", "worker_agent.nursery", "--scratch", str(scratch)]
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _shows(entry, mark)]


def _shows(process: Path, mark: list[str]) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it ended by itself since we looked
        return False
    return words[1 : 1 + len(mark)] == mark
