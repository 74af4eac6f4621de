"""The Docker engine: whether it answers, and whether a container can really be started, run and removed."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.docker.leftovers import remove_container
from worker_agent.health.finding import Finding, degraded, healthy

PROBE = "flotilla.probe"
"""The label of containers that only try the engine out."""
NAMED_SECONDS = 5.0  # for what an idle engine answers in milliseconds
START_SECONDS = 30.0  # an engine with sixty starts before it has taken so long
PROGRAM = "true"
ABSENT = "executable file not found"
"""What the runtime says when it has set everything up and the image lacks the program: a container as good as any."""
MEND = "look at `docker info` and the engine's own log, then restart it (`systemctl restart docker`) or the host"
COMPOSE_MEND = "install Docker's command line and its plugin docker-compose (version 2 or newer)"


class EngineBroken(Exception):
    """The engine answers, and cannot carry a container; the message says what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the engine is, the image that a container was started of (if it has any), and whether Compose is there."""

    host: str
    version: str
    image: str | None
    compose: bool


async def measure(host: str, *, labels: Mapping[str, str]) -> Answered:
    """Tries it out. Raises `EngineUnavailableError`, `EngineError` or `EngineBroken`."""
    engine = Engine(host)
    version = (await engine.json("GET", "/version", seconds=NAMED_SECONDS))["Version"]
    images = await engine.json("GET", "/images/json", seconds=NAMED_SECONDS)
    image = min(images, key=lambda image: image["Size"], default=None)
    if image is not None:
        await _try(engine, image["Id"], labels={**labels, PROBE: "true"})
    return Answered(host=host, version=version, image=_called(image), compose=await _has_compose())


def docker(found: Answered) -> Finding:
    """The finding on an engine that did what was asked of it."""
    answers = f"engine {found.version} answers at {found.host}"
    if found.image is None:
        mend = "pull any image, so that the next check can start a container"
        return degraded("docker", f"{answers}, and has no image to try", mend=mend)
    works = f"{answers}, and started and removed a container of {found.image}"
    if not found.compose:
        return degraded("docker", f"{works}; `docker compose` is missing", mend=COMPOSE_MEND)
    return healthy("docker", works)


async def root_of(host: str) -> Path | None:
    """Where the engine keeps its images and containers, if it says so."""
    try:
        info = await Engine(host).json("GET", "/info", seconds=NAMED_SECONDS)
    except (EngineError, EngineUnavailableError):
        return None
    return Path(info["DockerRootDir"]) if info.get("DockerRootDir") else None


async def _try(engine: Engine, image: str, *, labels: Mapping[str, str]) -> None:
    name = f"flotilla-probe-{uuid4().hex[:12]}"
    try:
        await _run(engine, name, order=_order(image, labels=labels))
    finally:
        await asyncio.shield(remove_container(engine, name))


async def _run(engine: Engine, name: str, *, order: Mapping[str, Any]) -> None:
    query = {"name": name}
    try:
        await engine.json("POST", "/containers/create", query=query, body=order, seconds=START_SECONDS)
        await engine.json("POST", f"/containers/{name}/start", seconds=START_SECONDS)
        ended = await engine.json("POST", f"/containers/{name}/wait", seconds=START_SECONDS)
    except EngineError as fault:
        if ABSENT in fault.message:
            return
        raise EngineBroken(f"a container cannot be started: {fault.message}") from fault
    if ended["StatusCode"] != 0:
        raise EngineBroken(f"`{PROGRAM}` ended with exit code {ended['StatusCode']} in a container")


def _order(image: str, *, labels: Mapping[str, str]) -> dict[str, Any]:
    # On the engine's own network: what breaks first is often the firewall's rules.
    return {
        "Image": image,
        "Entrypoint": [PROGRAM],
        "Cmd": [],
        "User": "0",
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": dict(labels),
        "HostConfig": {"PidsLimit": 16, "LogConfig": {"Type": "none"}},
    }


def _called(image: Mapping[str, Any] | None) -> str | None:
    if image is None:
        return None
    return str((image.get("RepoTags") or [image["Id"].removeprefix("sha256:")[:12]])[0])


async def _has_compose() -> bool:
    program = shutil.which("docker")
    if program is None:
        return False
    devnull = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(program, "compose", "version", stdout=devnull, stderr=devnull)
    try:
        return await process.wait() == 0
    except asyncio.CancelledError:
        process.kill()
        raise
