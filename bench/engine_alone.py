"""The engine's own limit: what a trial makes it do, over its API, and nothing else; no result, no log, no files."""

import asyncio
import uuid
from typing import Any

from bench.engine import IMAGE
from bench.faults import BenchFault
from worker_agent.docker import commands
from worker_agent.docker.containers import KEEPALIVE
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError

EXECS = 6  # what Harbor does in the container of a plain task
STOP_SECONDS = 1


def run(*, runs: int, at_once: int) -> None:
    """So many containers, each on a network of its own, six commands in each, and their end."""
    try:
        asyncio.run(_all(runs=runs, at_once=at_once))
    except* (EngineError, EngineUnavailableError) as faults:
        raise BenchFault(f"the engine alone failed: {faults.exceptions[0]}") from faults


async def _all(*, runs: int, at_once: int) -> None:
    engine, room = Engine(), asyncio.Semaphore(at_once)
    async with asyncio.TaskGroup() as group:
        for _ in range(runs):
            group.create_task(_in_turn(engine, room))


async def _in_turn(engine: Engine, room: asyncio.Semaphore) -> None:
    async with room:
        await _one(engine, f"bench-{uuid.uuid4().hex[:12]}")


async def _one(engine: Engine, name: str) -> None:
    await engine.json("POST", "/networks/create", body={"Name": name, "Driver": "bridge"})
    try:
        made = await engine.json("POST", "/containers/create", query={"name": name}, body=_order(name))
        try:
            await engine.json("POST", f"/containers/{made['Id']}/start")
            for _ in range(EXECS):
                output, code = await commands.run(engine, made["Id"], argv=["true"])
                if code != 0:
                    raise BenchFault(f"a command in a bare container ended with {code}: {output}")
            await engine.json("POST", f"/containers/{made['Id']}/stop", query={"t": STOP_SECONDS})
        finally:
            await engine.json("DELETE", f"/containers/{made['Id']}", query={"force": 1, "v": 1})
    finally:
        await engine.json("DELETE", f"/networks/{name}")


def _order(network: str) -> dict[str, Any]:
    return {"Image": IMAGE, "Cmd": list(KEEPALIVE), "HostConfig": {"Init": True, "NetworkMode": network}}
