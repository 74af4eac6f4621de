"""The engine's own limit is taken by doing all of it, and leaves nothing."""

import asyncio
from typing import Any

import pytest

from bench import engine, engine_alone
from bench.faults import MissingPart
from worker_agent.docker.engine import Engine


async def _networks(host: str) -> list[Any]:
    return [network["Name"] for network in await Engine(host).json("GET", "/networks")]


def test_the_engine_alone_leaves_no_network_and_no_container(
    docker_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_engine)
    engine.check()
    engine_alone.run(runs=2, at_once=2)
    assert [name for name in asyncio.run(_networks(docker_engine)) if name.startswith("bench-")] == []


def test_a_machine_without_an_engine_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(MissingPart, match=r"\.ci/docker-engine start"):
        engine.check()
