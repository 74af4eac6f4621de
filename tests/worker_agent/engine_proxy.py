"""A Docker engine that can be broken: its socket behind ours, where container starts fail once that is switched on."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

FAULT = "failed to create shim task: OCI runtime create failed: the disk's controller went away"
_START = re.compile(rb"POST \S*/containers/\S+/start ")
_CHUNK = 1 << 16


class EngineProxy:
    """`address` is what DOCKER_HOST takes; `broken` may be set at any time."""

    def __init__(self, socket: Path) -> None:
        self.address = f"unix://{socket}"
        self.broken = False
        self.refused = 0

    async def serve(self, socket: Path, engine: Path, stop: asyncio.Event) -> None:
        """Until `stop` is set."""

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer), suppress(ConnectionError):  # a client that hangs up is its own affair
                await self._meet(reader, writer, engine=engine)

        async with await asyncio.start_unix_server(meet, socket, limit=_CHUNK):
            await stop.wait()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, engine: Path) -> None:
        head = await reader.readline()
        if self.broken and _START.match(head):
            self.refused += 1
            body = json.dumps({"message": FAULT}).encode()
            writer.write(b"HTTP/1.0 500 Internal Server Error\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            return
        there, to_engine = await asyncio.open_unix_connection(engine, limit=_CHUNK)
        with closing(to_engine):
            to_engine.write(head)
            asking = asyncio.create_task(_pass_on(reader, to_engine))
            await _pass_on(there, writer)
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
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
