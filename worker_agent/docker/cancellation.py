"""Work that is done to its end even if whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_its_end[Result](work: Coroutine[Any, Any, Result]) -> Result:
    """Do it, and be cancelled only then: the engine would go on with it, and a clean-up meanwhile would miss it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
