"""Long polls: clients that wait at one queue, woken in the order they came, and never handed what they cannot take."""

import asyncio
from collections.abc import Awaitable, Callable

from flotilla.local.sqs.messages import Delivery
from flotilla.local.sqs.queues import Queue

TIMER_SLACK = 0.001  # seconds: a timer that fires a moment early would only have to be set again


class Polls:
    """The clients that wait at one queue. A message that becomes visible wakes one; who took some wakes the next."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._bells: dict[asyncio.Future[None], None] = {}  # one a client, in the order they came
        self._timer: asyncio.TimerHandle | None = None
        queue.notice = self._ring

    async def receive(
        self, take: Callable[[], list[Delivery]], *, wait_seconds: float, hung_up: Callable[[], Awaitable[None]]
    ) -> list[Delivery]:
        """What `take` gives, as soon as it gives anything; nothing when the time is over or the client has gone.

        `hung_up` returns when the client has closed its connection. Between a look at it and taking there is no await:
        a message goes to a closed connection only if the news of that is still on its way, and then it comes back
        after its visibility timeout.
        """
        if (deliveries := take()) or wait_seconds <= 0:
            return deliveries
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        gone = asyncio.ensure_future(hung_up())
        try:
            while not deliveries and not self.queue.is_closed and (left := deadline - loop.time()) > 0:
                await self._next_ring(gone, seconds=left)
                if gone.done():
                    break
                deliveries = take()
        finally:
            gone.cancel()
            self._ring()  # whatever is left, or was not taken after all, is the next one's
        return deliveries

    async def _next_ring(self, gone: asyncio.Future[None], *, seconds: float) -> None:
        bell = asyncio.get_running_loop().create_future()
        self._bells[bell] = None
        self._set_timer()
        try:
            await asyncio.wait({bell, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._bells.pop(bell, None)

    def _ring(self) -> None:
        while self._bells and (self.queue.is_closed or self.queue.has_visible()):
            bell = next(iter(self._bells))
            del self._bells[bell]
            bell.set_result(None)
            if not self.queue.is_closed:
                break
        self._set_timer()

    def _set_timer(self) -> None:
        """Ring again when the next hidden message returns."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = self.queue.seconds_to_next_return()
        if self._bells and seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds + TIMER_SLACK, self._on_time)

    def _on_time(self) -> None:
        self.queue.catch_up()
        self._set_timer()
