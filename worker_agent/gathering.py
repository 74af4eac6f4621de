"""Short calls to the queue that come together go out together: SQS takes ten messages a call, and bills calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence


class Gathering[T]:
    """One call at a time; what is asked for while it is under way, or in the same moment, goes out with the next."""

    def __init__(self, call: Callable[[Sequence[T]], Awaitable[object]]) -> None:
        self._call = call
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._calling: asyncio.Task[None] | None = None

    async def add(self, item: T) -> None:
        """Returns once a call with this item has succeeded; raises what it raised."""
        answered = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answered))
        if self._calling is None:
            self._calling = asyncio.create_task(self._empty())
        await answered

    async def _empty(self) -> None:
        while self._waiting:
            gathered, self._waiting = self._waiting, []
            fault = await self._fault_of([item for item, _ in gathered])
            for _, answered in gathered:
                if answered.done():  # whoever asked was cancelled
                    continue
                if fault is None:
                    answered.set_result(None)
                else:
                    answered.set_exception(fault)
        self._calling = None

    async def _fault_of(self, items: Sequence[T]) -> Exception | None:
        try:
            await self._call(items)
        except Exception as fault:  # each of those that asked raises it, and decides
            return fault
        return None
