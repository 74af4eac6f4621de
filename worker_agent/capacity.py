"""What one host has for its trials: CPUs, memory, storage; and how many times over that may be promised."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flotilla.store.room import Declared
from worker_agent.docker.engine import Engine
from worker_agent.health.room import measure_all
from worker_agent.settings import WorkerSettings

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one host has, and how many times over each of it may be promised."""

    host: Declared
    cpu_overcommit: float
    memory_overcommit: float
    storage_overcommit: float

    @property
    def promised(self) -> Declared:
        """The most that all trials of the host together may declare."""
        return Declared(
            cpus=self.host.cpus * self.cpu_overcommit,
            memory_mb=self.host.memory_mb * self.memory_overcommit,
            storage_mb=self.host.storage_mb * self.storage_overcommit,
        )


async def measure(settings: WorkerSettings, *, docker_host: str | None, places: Iterable[Path]) -> Capacity:
    """This host's, by its engine or its kernel; storage is that of the smallest disk that trials write to."""
    if docker_host is not None:
        info = await Engine(docker_host).json("GET", "/info")
        cpus, memory = info["NCPU"], info["MemTotal"]
    else:
        cpus, memory = len(os.sched_getaffinity(0)), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    storage = min(room.bytes for room in measure_all(places))
    return Capacity(
        host=Declared(cpus=cpus, memory_mb=memory // MEGABYTE, storage_mb=storage // MEGABYTE),
        cpu_overcommit=settings.cpu_overcommit,
        memory_overcommit=settings.memory_overcommit,
        storage_overcommit=settings.storage_overcommit,
    )
