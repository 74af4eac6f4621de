"""How much this host asks of its engine at once, over all trial processes: file locks, which die with their holder."""

import asyncio
import fcntl
import os
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from worker_agent.docker.stock import Stock

FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Governor:
    """The host's limits. Every process that is to share them names the same directory."""

    directory: Path
    starts: int = 6
    builds: int = 2
    pulls: int = 4

    def starting(self) -> AbstractAsyncContextManager[None]:
        """Room to start one container, or one Compose project."""
        return self._one_of("starts", self.starts)

    def building(self) -> AbstractAsyncContextManager[None]:
        """Room to build one image."""
        return self._one_of("builds", self.builds)

    def pulling(self) -> AbstractAsyncContextManager[None]:
        """Room to pull one image."""
        return self._one_of("pulls", self.pulls)

    def stock(self) -> Stock:
        """The images that are ours, with no use of this caller's yet."""
        return Stock(directory=self.directory / "images")

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """The only one on this host to do the named thing; `name` must be fit for a file's name."""
        return self._one_of(name, 1)

    @asynccontextmanager
    async def _one_of(self, name: str, places: int) -> AsyncIterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = await _first_free([self.directory / f"{name}.{place}" for place in range(places)])
        try:
            yield
        finally:
            os.close(lock)


async def _first_free(places: list[Path]) -> int:
    """The descriptor of the first place that could be locked; closing it gives the place back.

    It looks again and again, because a thread that waits in `flock` could not be cancelled.
    """
    pause = FIRST_LOOK_SECONDS
    while True:
        for place in places:
            if (lock := _locked(place)) is not None:
                return lock
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads the lookers, hides nothing
        pause = min(LONGEST_LOOK_SECONDS, pause * 1.5)


def _locked(place: Path) -> int | None:
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
