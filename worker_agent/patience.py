"""Time for what may fail for a while: tried again and again until it succeeds, or until the time is over."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy.exc import DataError, SQLAlchemyError

FIRST_PAUSE_SECONDS = 1.0  # before what failed is tried again; doubled up to the longest
LONGEST_PAUSE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Patience:
    """Endless until somebody says when it ends; the earliest end counts."""

    def __init__(self) -> None:
        self._end: float | None = None
        self._waiting: asyncio.Timeout | None = None

    def end_in(self, seconds: float) -> None:
        """From now on there are at most so many seconds, also for what is being waited for."""
        end = asyncio.get_running_loop().time() + seconds
        if self._end is None or end < self._end:
            self._end = end
            if self._waiting is not None:
                self._waiting.reschedule(end)

    async def wait(self, awaited: asyncio.Future[Any]) -> None:
        """Returns when it is done or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with self._time():
                await asyncio.wait({awaited})

    async def insist[T](self, work: Callable[[], Awaitable[T]], *, what: str) -> T:
        """Does it until the file system or the database takes it. Raises TimeoutError when the time is over.

        What a thread is at then goes on unwatched. What PostgreSQL refuses for what it says is raised at once.
        """
        async with self._time():
            return await self._again_and_again(work, what)

    @contextlib.asynccontextmanager
    async def _time(self) -> AsyncIterator[None]:
        async with asyncio.timeout_at(self._end) as waiting:
            self._waiting = waiting
            try:
                yield
            finally:
                self._waiting = None

    async def _again_and_again[T](self, work: Callable[[], Awaitable[T]], what: str) -> T:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await work()
            except DataError:
                raise
            except (OSError, SQLAlchemyError) as fault:
                _log.warning("%s: not yet, next try in %.0f s: %s", what, pause, fault)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
