"""A Docker engine that can be broken: its socket behind ours, where calls are refused, answered too late or not at all.

`broken` refuses every start of a container. Any other fault is an `Injury` in `injuries`, which both sides may change
at any time.
"""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

FAULT = "failed to create shim task: OCI runtime create failed: the disk's controller went away"
_START = r"POST \S*/containers/\S+/start "
_CHUNK = 1 << 16
_ALWAYS = 1 << 30
_READY_SECONDS = 30


class Kind(Enum):
    """What becomes of a call."""

    REFUSED = auto()
    """The engine does not hear of it; the answer is 500 with the injury's words."""
    LOST = auto()
    """The engine does it, and the connection ends without its answer."""
    HUNG = auto()
    """Nobody hears of it, and nothing is answered."""
    COUNTED = auto()
    """Nothing, but that it is counted."""


@dataclass(slots=True, kw_only=True)
class Injury:
    """What befalls the next calls, `left` of them, whose request line fits; `met` is how many it has befallen."""

    calls: str
    kind: Kind
    words: str = FAULT
    left: int = _ALWAYS
    met: int = 0

    def befalls(self, head: bytes) -> bool:
        """Whether it does; then it has one left less."""
        if self.left == 0 or not re.match(self.calls.encode(), head):
            return False
        self.left -= 1
        self.met += 1
        return True


class EngineProxy:
    """`address` is what DOCKER_HOST takes."""

    def __init__(self, socket: Path) -> None:
        self.address = f"unix://{socket}"
        self.broken = False
        self.injuries: list[Injury] = []
        self.listens = threading.Event()
        self._meetings: set[asyncio.Task[None]] = set()
        self._starts = Injury(calls=_START, kind=Kind.REFUSED)

    @property
    def refused(self) -> int:
        """How many starts were refused."""
        return self._starts.met

    async def serve(self, socket: Path, engine: Path, stop: asyncio.Event) -> None:
        """Until `stop` is set."""

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            meeting = asyncio.current_task()
            assert meeting is not None
            self._meetings.add(meeting)
            meeting.add_done_callback(self._meetings.discard)
            async with _closing(writer):
                with suppress(ConnectionError):  # a client that hangs up is its own affair
                    await self._meet(reader, writer, engine=engine, stop=stop)

        async with await asyncio.start_unix_server(meet, socket, limit=_CHUNK):
            self.listens.set()
            await stop.wait()
            # Streams that a builder has taken over may outlive both of their ends.
            for meeting in self._meetings:
                meeting.cancel()
            await asyncio.gather(*self._meetings, return_exceptions=True)

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, engine: Path, stop: asyncio.Event
    ) -> None:
        head = await reader.readline()
        met = next((injury for injury in self._all() if injury.befalls(head)), None)
        match met.kind if met else None:
            case Kind.REFUSED if met:
                body = json.dumps({"message": met.words}).encode()
                writer.write(b"HTTP/1.0 500 Internal Server Error\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
            case Kind.HUNG:
                await _hang(reader, stop)
            case kind:
                await _carry_over(head, reader, None if kind is Kind.LOST else writer, engine=engine)

    def _all(self) -> list[Injury]:
        return [*([self._starts] if self.broken else []), *self.injuries]


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Closes it at the end, and waits until it is closed."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()  # what is still to be sent would be waited for
        raise
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _hang(reader: asyncio.StreamReader, stop: asyncio.Event) -> None:
    """Until the client gives up."""
    gone, stopped = asyncio.create_task(_read_all(reader)), asyncio.create_task(stop.wait())
    await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in (gone, stopped):
        task.cancel()
    await asyncio.gather(gone, stopped, return_exceptions=True)


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK):
        continue


async def _carry_over(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, *, engine: Path
) -> None:
    there, to_engine = await asyncio.open_unix_connection(engine, limit=_CHUNK)
    async with _closing(to_engine):
        to_engine.write(head)
        asking = asyncio.create_task(_pass_on(reader, to_engine))
        try:
            await (_pass_on(there, writer) if writer else _read_all(there))
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@contextmanager
def proxied(engine: str, socket: Path) -> Iterator[EngineProxy]:
    """A proxy of that engine on a thread of its own, for the length of a `with` block."""
    proxy = EngineProxy(socket)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    serving = proxy.serve(socket, Path(engine.removeprefix("unix://")), stop)
    thread = threading.Thread(target=loop.run_until_complete, args=[serving], name="engine proxy")
    thread.start()
    try:
        assert proxy.listens.wait(_READY_SECONDS)
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
