"""Calls that may never return: each on a thread of its own, which nobody waits for longer than it is wanted."""

import asyncio
import threading
from collections.abc import Callable


async def in_thread[T](work: Callable[[], T]) -> T:
    """What `work` returns or raises. Cancelled, it leaves the thread to itself: a hung mount lets go of nobody.

    Not a pool's thread: those are waited for when the process ends.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        if not answer.done():
            settle()

    def run() -> None:
        try:
            value = work()
        except BaseException as fault:  # whoever awaits has to hear of it, whatever it is
            _call(loop, lambda fault=fault: tell(lambda: answer.set_exception(fault)))  # type: ignore[misc]
        else:
            _call(loop, lambda: tell(lambda: answer.set_result(value)))

    threading.Thread(target=run, name="check", daemon=True).start()
    return await answer


def _call(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)
