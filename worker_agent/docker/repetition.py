"""Which faults of the engine pass by themselves, and how often what met one is tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from worker_agent.docker.errors import AnswerLostError, EngineError, EngineUnavailableError, NotReachedError

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1
"""Doubled each time: three seconds in all, in which an engine is restarted and a lock of its own is given back."""

PASSING = (
    "database is locked",
    "device or resource busy",
    "resource temporarily unavailable",
    "transport is closing",
    "error reading from server: eof",
    "ttrpc: closed",
    "network sandbox join failed",
)
"""What the engine says of its own stores, its containerd and its mounts when too much happens at once; all of it is
undone before it says so."""
PASSING_OF_REGISTRIES = (
    "i/o timeout", "tls handshake timeout", "unexpected eof", "connection reset by peer", "bad gateway",
    "service unavailable", "gateway timeout", "context deadline exceeded", ": eof",
)  # fmt: skip
PASSING_OF_COMPOSE = (*PASSING, "pool overlaps with other one on this address space", "cannot connect to the docker")
"""Two projects may be given one subnet at a time; whoever comes second is refused, and is given another one then."""
OF_THE_TASK = ("exit code", "non-zero code", "unhealthy")
"""Marks of a failure that is the task's, whatever else its programs wrote."""


def may_repeat(fault: Exception, *, method: str, safe: bool) -> bool:
    """Whether a call that met this fault is to be made again; `safe` is one that may have been done already."""
    match fault:
        case NotReachedError():
            return True
        case AnswerLostError():
            return safe
        case EngineError() if fault.status >= 500:
            return method == "GET" or says(fault.message, PASSING)
        case _:
            return False


def says(words: str, marks: tuple[str, ...]) -> bool:
    """Whether one of the marks is in what was said."""
    lowered = words.lower()
    return any(mark in lowered for mark in marks)


def compose_may_repeat(output: str) -> bool:
    """Whether a Compose command that failed with this output did so for something that passes, not for its task."""
    return says(output, PASSING_OF_COMPOSE) and not says(output, OF_THE_TASK)


async def repeated[Result](
    work: Callable[[], Awaitable[Result]], *, passes: Callable[[Exception], bool], attempts: int = ATTEMPTS
) -> Result:
    """The work's result; what passes is awaited a little longer each time, and not in step with others."""
    for attempt in range(attempts - 1):
        try:
            return await work()
        except (EngineError, EngineUnavailableError) as fault:
            if not passes(fault):
                raise
        await pause(attempt)
    return await work()


async def pause(attempt: int) -> None:
    """The wait after the attempt of that number, counted from zero."""
    longest = FIRST_PAUSE_SECONDS * 2**attempt
    await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - spreads them, hides nothing
