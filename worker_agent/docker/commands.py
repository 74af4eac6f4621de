"""A command in a running container: started, its output followed, its exit code read."""

import asyncio
import codecs
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from worker_agent.docker.connection import Connection
from worker_agent.docker.engine import Body, Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.kept_text import KeptText

FRAME_HEAD = 8
REFUSED = 126
"""The exit code that Docker's own command line gives for what could not be executed."""

LONGEST_LINE = 1 << 20

SETTLING_LOOKS = 50
SETTLING_SECONDS = 0.02

LOOK_SECONDS = 60.0
LOOKS_MISSED = 2
"""A command may be silent for hours, an engine may not: asked so often, it fails to answer that many times in a row."""

Listener = Callable[[str], Awaitable[None]]


class Lines:
    """Turns chunks of bytes into text, told to a listener line by line.

    Of what is written without end the beginning and the end are kept; a line without end is told in pieces.
    """

    def __init__(self, listener: Listener | None) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._listener = listener
        self._kept = KeptText()
        self._open_line = ""

    @property
    def text(self) -> str:
        return self._kept.text

    async def add(self, chunk: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(chunk, final)
        self._kept.add(text)
        if self._listener is None:
            return
        *lines, self._open_line = (self._open_line + text).split("\n")
        if len(self._open_line) > LONGEST_LINE:
            await self._listener(self._open_line)
            self._open_line = ""
        for line in lines:
            await self._listener(f"{line}\n")
        if final and self._open_line:
            await self._listener(self._open_line)


async def run(
    engine: Engine,
    container: str,
    *,
    argv: Sequence[str],
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    user: str | int | None = None,
    listener: Listener | None = None,
) -> tuple[str, int]:
    """Run a command to its end: all it wrote, both streams in the order they came, and its exit code.

    There is no time limit in here: who leaves early leaves the command running, as Docker's own command line does.
    An engine that falls silent meanwhile is noticed: `EngineUnavailableError`.
    What cannot be run (no such program, user or folder, a container that has ended) is an output and an exit code.
    """
    output = Lines(listener)
    order = _order(argv, cwd=cwd, env=env, user=user)
    try:
        # An order whose answer was lost is never started, so another one does no harm.
        made = await engine.json("POST", f"/containers/{container}/exec", body=order, repeatable=True)
        await _watched(_followed(engine, made["Id"], output=output), watch=_watch(engine, made["Id"]))
        return output.text, await _exit_code(engine, made["Id"])
    except EngineError as error:
        await output.add(f"{error.message}\n".encode(), final=True)
        return output.text, REFUSED


def _order(
    argv: Sequence[str], *, cwd: str | None, env: Mapping[str, str] | None, user: str | int | None
) -> dict[str, Any]:
    order: dict[str, Any] = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(argv)}
    if cwd:
        order["WorkingDir"] = cwd
    if env:
        order["Env"] = [f"{name}={text}" for name, text in env.items()]
    if user is not None:
        order["User"] = str(user)
    return order


async def _followed(engine: Engine, exec_id: str, *, output: Lines) -> None:
    async for chunk in _started(engine, exec_id):
        await output.add(chunk)
    await output.add(b"", final=True)


async def _watch(engine: Engine, exec_id: str) -> None:
    """Never ends while the engine answers, whatever it answers. Raises `EngineUnavailableError`."""
    missed = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await engine.json("GET", f"/exec/{exec_id}/json")
            missed = 0
        except EngineError:  # it answers: the container may be on its way out
            missed = 0
        except EngineUnavailableError:
            missed += 1
            if missed == LOOKS_MISSED:
                raise


async def _watched(work: Coroutine[Any, Any, None], *, watch: Coroutine[Any, Any, None]) -> None:
    """Do the work, unless the watch ends first with a fault."""
    doing, watching = asyncio.ensure_future(work), asyncio.ensure_future(watch)
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        (doing if doing.done() else watching).result()
    finally:
        for task in (doing, watching):
            task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _started(engine: Engine, exec_id: str) -> AsyncIterator[bytes]:
    order = json.dumps({"Detach": False, "Tty": False}).encode()
    body = Body(kind="application/json", size=len(order), source=order)
    async with engine.opened("POST", f"/exec/{exec_id}/start", body=body, seconds=None) as answer:
        async for chunk in frames(answer.reader):
            yield chunk


async def frames(reader: Connection) -> AsyncIterator[bytes]:
    """What was written to stdout and stderr, in order, out of the frames that the engine wraps it in."""
    while head := await reader.read_exactly(FRAME_HEAD):
        yield await reader.read_exactly(int.from_bytes(head[4:], "big"))


async def _exit_code(engine: Engine, exec_id: str) -> int:
    for _ in range(SETTLING_LOOKS):
        state = await engine.json("GET", f"/exec/{exec_id}/json")
        if not state["Running"]:
            return int(state["ExitCode"] or 0)
        # Its output has ended, so it is ending too, or it closed its output and stays: then it counts as done.
        await asyncio.sleep(SETTLING_SECONDS)
    return 0
