"""The client of the Engine API, against the real engine and against sockets that misbehave."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from worker_agent.docker.engine import Engine, spoken_version
from worker_agent.docker.errors import EngineError, EngineUnavailableError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_the_engine_tells_its_version(docker: Engine) -> None:
    assert "ApiVersion" in asyncio.run(docker.json("GET", "/version"))


def test_a_refusal_has_its_status_and_what_the_engine_said(docker: Engine) -> None:
    name = f"nobody-{uuid.uuid4().hex}"
    with pytest.raises(EngineError, match=name) as refusal:
        asyncio.run(docker.json("GET", f"/containers/{name}/json"))
    assert refusal.value.status == 404


def test_an_engine_beyond_a_unix_socket_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match="DOCKER_HOST=unix://"):
        Engine("tcp://127.0.0.1:2375")


def test_the_host_of_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere/docker.sock")
    assert Engine().host == "unix:///somewhere/docker.sock"


def test_no_engine_at_all_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="no Docker engine answers at"):
        asyncio.run(Engine(f"unix://{tmp_path}/no.sock").json("GET", "/info"))


async def _answered_by(handler: Handler, *, socket: Path, seconds: float) -> object:
    async with await asyncio.start_unix_server(handler, path=socket):
        return await Engine(f"unix://{socket}").json("GET", "/info", seconds=seconds)


def test_an_engine_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with pytest.raises(EngineUnavailableError, match=r"within 0\.1 s"):
        asyncio.run(_answered_by(silent, socket=tmp_path / "s", seconds=0.1))


def test_an_engine_that_hangs_up_is_unavailable(tmp_path: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with pytest.raises(EngineUnavailableError, match="without an answer"):
        asyncio.run(_answered_by(rude, socket=tmp_path / "s", seconds=10))


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.51", "1.24", "1.41"), ("1.53", "1.44", "1.44"), ("1.40", "1.12", "1.40")],
)
def test_the_oldest_version_that_both_know_is_spoken(newest: str, oldest: str, spoken: str) -> None:
    assert spoken_version({"ApiVersion": newest, "MinAPIVersion": oldest}) == spoken


def test_a_refusal_that_comes_before_the_body_was_read_is_heard(tmp_path: Path) -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.0 403 Forbidden\r\n\r\n{"message": "read-only"}')
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_unix_server(early, path=tmp_path / "s"):
            engine = Engine(f"unix://{tmp_path}/s")
            engine._prefix = "/v1.41"  # it was asked for its version before
            await engine.json("PUT", "/x", body="z" * 10_000_000)

    with pytest.raises(EngineError, match="403: read-only"):
        asyncio.run(scenario())
