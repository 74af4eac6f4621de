"""What a command in the sandbox writes, collected while it runs and handed on as it comes."""

import asyncio
import codecs
import os
from collections.abc import Awaitable, Callable

from worker_agent.kept_text import KeptText

_CHUNK_BYTES = 65536
_LATE_SECONDS = 1  # for what is still in the pipe when the command has ended


class Output:
    """The reading end of a pipe for standard output and error together.

    A service that a command leaves behind may hold the pipe for as long as the sandbox lives. It must not die of a
    broken pipe, so what it writes is read until `close`, and forgotten.
    """

    def __init__(self, on_text: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._on_text = on_text
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._text = KeptText()
        self._kept = True
        self._reading: asyncio.Task[None] | None = None
        self._transport: asyncio.ReadTransport | None = None

    async def open(self) -> int:
        """Start reading; gives the writing end, which the caller closes when it has handed it on."""
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
        )
        self._reading = asyncio.create_task(self._read(reader))
        return write_end

    async def finish(self) -> str:
        """All that the command wrote, for when it has ended."""
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=_LATE_SECONDS)
        self._kept = False
        return self._text.text

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._transport is not None:
            self._transport.close()

    @property
    def at_end(self) -> bool:
        """Whether nobody can write any more."""
        return self._reading is None or self._reading.done()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self._kept:
                await self._take(self._decoder.decode(data))
        await self._take(self._decoder.decode(b"", final=True))

    async def _take(self, text: str) -> None:
        if text and self._kept:
            self._text.add(text)
            if self._on_text:
                await self._on_text(text)
