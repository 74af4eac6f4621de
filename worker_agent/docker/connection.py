"""One connection to the engine's socket, with the reading that its answers need.

Not asyncio's streams: when the engine refuses a request before it has read all of it and hangs up, they throw away the
answer with the connection, and the answer is what says why.
"""

import asyncio
import socket
from contextlib import suppress

from worker_agent.docker.errors import EngineUnavailableError

CHUNK = 1 << 18


class Connection:
    """A stream socket of our own; what was received and not yet asked for is kept here."""

    def __init__(self, sock: socket.socket, *, quiet_seconds: float | None = None) -> None:
        self._socket = sock
        self._quiet_seconds = quiet_seconds
        self._held = bytearray()

    @classmethod
    async def open(cls, path: str, *, quiet_seconds: float | None = None) -> "Connection":
        """Connect, or raise `OSError`. Who waits longer than `quiet_seconds` meets an `EngineUnavailableError`."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            await asyncio.get_running_loop().sock_connect(sock, path)
        except BaseException:
            sock.close()
            raise
        return cls(sock, quiet_seconds=quiet_seconds)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    async def send(self, data: bytes) -> bool:
        """Whether the other side still wants to hear; if not, it may have answered already."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    async def read(self, most: int = CHUNK) -> bytes:
        """What is there, as soon as anything is; empty at the end."""
        if not self._held:
            await self._receive()
        return self._take(min(most, len(self._held)))

    async def read_exactly(self, size: int) -> bytes:
        """So many bytes, or all that come before the end."""
        while len(self._held) < size and await self._receive():
            pass
        return self._take(min(size, len(self._held)))

    async def read_line(self) -> bytes:
        """A line with its end, or what comes before the end; empty at the end."""
        seen = 0
        while (end := self._held.find(b"\n", seen)) < 0:
            seen = len(self._held)
            if not await self._receive():
                return self._take(len(self._held))
        return self._take(end + 1)

    async def read_all(self) -> bytes:
        """Everything up to the end."""
        while await self._receive():
            pass
        return self._take(len(self._held))

    async def _receive(self) -> bool:
        chunk = b""
        # A reset comes after all that was sent before it, and is an end like any other.
        limit = asyncio.timeout(self._quiet_seconds)
        try:
            async with limit:
                with suppress(ConnectionResetError):
                    chunk = await asyncio.get_running_loop().sock_recv(self._socket, CHUNK)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise EngineUnavailableError(f"the Docker engine said nothing for {self._quiet_seconds:g} s") from error
        self._held += chunk
        return bool(chunk)

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._held)[:size])
        del self._held[:size]
        return taken
