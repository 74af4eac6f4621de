"""The command line of Compose as a process of ours, which never outlives the wish for what it does."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from worker_agent.docker.commands import Lines, Listener
from worker_agent.docker.errors import EngineUnavailableError

CHUNK = 1 << 16
ENDING_SECONDS = 10.0
LONGEST_SECONDS = 600
"""For a command of Harbor's that it gives no limit: it sets a network policy, copies a file, stops a service."""
KEPT_OUTPUT = 2000
OUT_OF_TIME = "Command timed out after"
"""How Harbor says it."""


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    seconds: float,
    listener: Listener | None = None,
    patience: float = 0,
) -> tuple[str, int]:
    """All that it wrote, and its exit code. Cancelled, it is over before the caller is.

    It has so many seconds, after which it is the engine that is blamed: `EngineUnavailableError`.

    It gets so many seconds of patience then to come to its end: what it had asked the engine for when it was ended
    would come into being after the clean-up.
    """
    output = Lines(listener)
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(*argv, env=env, cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    )
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            process = await asyncio.shield(starting)
            async for chunk in _chunks(process):
                await output.add(chunk)
            await output.add(b"", final=True)
            return output.text, await process.wait()
    except TimeoutError as error:
        if not limit.expired():
            raise
        words = f"the Docker engine did not carry out `{' '.join(argv[:2])}` within {seconds:g} s"
        raise EngineUnavailableError(f"{words}; it wrote:\n{output.text[-KEPT_OUTPUT:]}") from error
    finally:
        await _ended(await starting, patience=patience)


async def blaming_the_engine[Result](work: Awaitable[Result]) -> Result:
    """The result of a command of Harbor's under a limit of ours. Raises `EngineUnavailableError` if it was not kept."""
    try:
        return await work
    except RuntimeError as fault:
        if OUT_OF_TIME in str(fault):
            raise EngineUnavailableError(f"the Docker engine did not carry out a Compose command: {fault}") from fault
        raise


async def _ended(process: Process, *, patience: float) -> None:
    for end, seconds in ((None, patience), (process.terminate, ENDING_SECONDS), (process.kill, ENDING_SECONDS)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError, TimeoutError):  # it may end by itself at any moment, or not listen
            if end is not None:
                end()
            async with asyncio.timeout(seconds):
                # Compose is a child of the command line, and done when nobody holds its output any more.
                [_ async for _ in _chunks(process)]
                await process.wait()


async def _chunks(process: Process) -> AsyncIterator[bytes]:
    while process.stdout and (chunk := await process.stdout.read(CHUNK)):
        yield chunk
