"""The Docker Engine API over its Unix socket: one connection a request, HTTP/1.0 so that every body ends with it."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlencode

from worker_agent.docker.connection import CHUNK, Connection
from worker_agent.docker.errors import AnswerLostError, EngineError, EngineUnavailableError, NotReachedError
from worker_agent.docker.repetition import may_repeat, repeated

DEFAULT_HOST = "unix:///var/run/docker.sock"
OLDEST_API = (1, 41)
"""The version that is asked for: engine 20.10's. A newer engine that no longer speaks it names its own minimum."""

CALL_SECONDS = 60.0
SAFE_TO_REPEAT = frozenset({"GET", "DELETE"})
"""What may be asked again though it may have been done: who deletes takes "it is gone" for done."""


def socket_path(host: str) -> str:
    """The path of the engine's socket. Raises `ValueError` for an engine that is reached in any other way."""
    if not host.startswith("unix://"):
        raise ValueError(
            f"the Docker engine at {host!r} is not on a Unix socket: set DOCKER_HOST=unix:///path/to/socket"
        )
    return host.removeprefix("unix://")


def named(name: str) -> str:
    """A name or reference as one part of an API path."""
    return quote(name, safe="/:@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries: its media type, its length in bytes, and a file positioned at its start."""

    kind: str
    size: int
    source: IO[bytes] | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer whose headers (lower case) were read and whose body waits in the reader."""

    headers: Mapping[str, str]
    reader: Connection


class Engine:
    """A client that holds no connection: cheap to make, safe to carry over a fork.

    A call that says nothing else has `call_seconds`. What passes by itself is asked again, where that is safe.
    """

    def __init__(self, host: str | None = None, *, call_seconds: float = CALL_SECONDS) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        self.call_seconds = call_seconds
        self._socket = socket_path(self.host)
        self._prefix: str | None = None

    async def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        seconds: float | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """The answer's JSON, or `None` for an empty one, within so many seconds an attempt.

        `repeatable`: whether it may be asked again though it may have been done; by default its method tells.
        """
        payload = json.dumps(body).encode() if body is not None else b""
        sent = Body(kind="application/json", size=len(payload), source=payload)

        async def ask() -> bytes:
            limit = self.call_seconds if seconds is None else seconds
            async with self.opened(method, path, query=query, body=sent, seconds=limit) as answer:
                return await answer.reader.read_all()

        safe = method in SAFE_TO_REPEAT if repeatable is None else repeatable
        text = await repeated(ask, passes=lambda fault: may_repeat(fault, method=method, safe=safe))
        return json.loads(text) if text.strip() else None

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = CALL_SECONDS,
        quiet_seconds: float | None = None,
    ) -> AsyncIterator[Answer]:
        """One request, its answer open for reading; `seconds` bounds all that is done inside, `None` bounds nothing.

        Then `quiet_seconds` bounds every wait for the next bytes, or somebody else must watch over the engine.
        Raises `EngineError` for a refusal, `EngineUnavailableError` if the engine cannot be reached or is too slow.
        """
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                path = await self._versioned(path)
                with closing(await self._connect(quiet_seconds)) as connection:
                    target = f"{path}?{urlencode(query)}" if query else path
                    await _send(connection, f"{method} {target} HTTP/1.0", body=body, headers=headers or {})
                    yield await _received(connection)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise EngineUnavailableError(
                f"the Docker engine at {self.host} did not finish {method} {path} within {seconds} s"
            ) from error

    async def events(self, method: str, path: str, **words: Any) -> AsyncGenerator[dict[str, Any]]:
        """The JSON lines of a progress stream, as they come."""
        async with self.opened(method, path, **words) as answer:
            while line := await answer.reader.read_line():
                if line.strip():
                    yield json.loads(line)

    async def _versioned(self, path: str) -> str:
        if self._prefix is None:
            self._prefix = f"/v{await self._api_version()}"
        return f"{self._prefix}{path}"

    async def _connect(self, quiet_seconds: float | None = None) -> Connection:
        try:
            return await Connection.open(self._socket, quiet_seconds=quiet_seconds)
        except OSError as error:
            # An engine that is being restarted has a socket that nobody listens at.
            kind = NotReachedError if isinstance(error, ConnectionRefusedError) else EngineUnavailableError
            raise kind(
                f"no Docker engine answers at {self.host} ({error.strerror or error}): start it, or set DOCKER_HOST"
            ) from error

    async def _api_version(self) -> str:
        with closing(await self._connect()) as connection:
            await _send(connection, "GET /version HTTP/1.0", body=None, headers={})
            answer = await _received(connection)
            return spoken_version(json.loads(await answer.reader.read_all()))


def spoken_version(version: Mapping[str, Any]) -> str:
    """The oldest API version that we know and the engine still speaks, from its answer to `GET /version`."""
    newest, oldest = (
        tuple(int(part) for part in str(version[key]).split(".")) for key in ("ApiVersion", "MinAPIVersion")
    )
    return ".".join(map(str, min(newest, max(oldest, OLDEST_API))))


async def _send(connection: Connection, request: str, *, body: Body | None, headers: Mapping[str, str]) -> None:
    size = body.size if body else 0
    lines = [request, "Host: docker", f"Content-Length: {size}", *(f"{name}: {text}" for name, text in headers.items())]
    if body:
        lines.append(f"Content-Type: {body.kind}")
    wanted = await connection.send("\r\n".join([*lines, "\r\n"]).encode())
    for chunk in _chunks(body):
        # An engine that refuses a long body answers before it has read all of it.
        wanted = wanted and await connection.send(chunk)


def _chunks(body: Body | None) -> Iterator[bytes]:
    if body is None:
        return
    if isinstance(body.source, bytes):
        yield body.source
        return
    while chunk := body.source.read(CHUNK):
        yield chunk


async def _received(connection: Connection) -> Answer:
    status_line = (await connection.read_line()).split()
    if len(status_line) < 2:
        raise AnswerLostError("the Docker engine closed the connection without an answer")
    headers = {}
    while (line := (await connection.read_line()).decode().strip()) != "":
        name, _, text = line.partition(":")
        headers[name.lower()] = text.strip()
    status = int(status_line[1])
    if status >= 400:
        raise EngineError(status, _message(await connection.read_all()))
    return Answer(headers=headers, reader=connection)


def _message(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
