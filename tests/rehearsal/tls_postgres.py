"""A PostgreSQL that takes TLS and a password only, with an authority of its own: what RDS is on AWS.

The embedded server is built without TLS, so a door stands before it that speaks it, as PostgreSQL's protocol has it: a
request for TLS, one letter in answer, then the handshake.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flotilla.local import postgres
from tests.rehearsal.certificate import certified

HOST = "127.0.0.1"
ACCESS = "local all postgres trust\nlocal all all scram-sha-256\n"
TLS_REQUEST = bytes.fromhex("0000000804d2162f")
GSS_REQUEST = bytes.fromhex("0000000804d21630")
CHUNK = 65_536  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPostgres:
    """Where it is: for clients `host`, `port` and the file of the authority, for its own making a socket."""

    host: str
    port: int
    ca: Path
    socket: Path


@contextmanager
def tls_postgres(directory: Path) -> Iterator[TlsPostgres]:
    """A server for the length of a `with` block."""
    directory.mkdir(mode=0o700)
    certificate, key = certified(directory, host=HOST)
    cluster = directory / "cluster"
    server = postgres.start(cluster, durable=False)
    try:
        (cluster / "data" / "pg_hba.conf").write_text(ACCESS)
        server.restart()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with _door(context, socket=cluster / postgres.SOCKET_NAME) as port:
            yield TlsPostgres(host=HOST, port=port, ca=certificate, socket=cluster)
    finally:
        server.stop()


@contextmanager
def _door(context: ssl.SSLContext, *, socket: Path) -> Iterator[int]:
    """Listens on a free port of the loopback, which is yielded."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls-door", daemon=True)
    thread.start()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the door closes; the loop would only complain of it
            await _pass(reader, writer, context=context, socket=socket)

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(meet, HOST, 0)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    """Ends what listens, and every connection that is still open."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, context: ssl.SSLContext, socket: Path
) -> None:
    """One connection, from its first bytes to its end."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):  # the client went away
        if await _encrypted(reader, writer, context=context):
            inner_reader, inner_writer = await asyncio.open_unix_connection(str(socket))
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    writer.close()


async def _encrypted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, context: ssl.SSLContext) -> bool:
    """Whether the client asked for TLS, and has it now; whoever wants to go on without is sent away."""
    request = await reader.readexactly(len(TLS_REQUEST))
    if request == GSS_REQUEST:
        writer.write(b"N")
        request = await reader.readexactly(len(TLS_REQUEST))
    if request != TLS_REQUEST:
        return False
    writer.write(b"S")
    await writer.drain()
    await writer.start_tls(context)
    return True


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()
