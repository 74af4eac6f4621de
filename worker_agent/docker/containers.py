"""A trial's container: what it is made with, and the way from nothing to running."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker_agent.docker import commands
from worker_agent.docker.cancellation import to_its_end
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import ContainerStartError, EngineError, ImageGoneError
from worker_agent.docker.leftovers import remove_container

KEEPALIVE = ("sh", "-c", "sleep infinity")
"""The command that Harbor gives the containers of trials; an image's entry point stays in front of it."""

MEGABYTE = 1 << 20
OOM_SCORE = 500
"""Trials go first when the host's memory runs out: before its own programs, long before the worker."""
NANO_CPUS = 1_000_000_000
NAME_TAKEN, NO_IMAGE = 409, 404
LAST_WORDS = 40
HEALTH_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """What a container is made of. Mounts are in Compose's words, as Harbor gives them; `None` is no limit."""

    name: str
    image: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    network: str
    mounts: Sequence[Mapping[str, Any]] = ()
    cpus: float | None = None
    memory_mb: int | None = None
    pids_limit: int
    log_max_size: str
    init: bool
    extra_hosts: Sequence[str] = field(default=())
    hostname: str | None = None

    def order(self) -> dict[str, Any]:
        """The body of the engine's `POST /containers/create`."""
        host = {
            "Init": self.init,
            "PidsLimit": self.pids_limit,
            "OomScoreAdj": OOM_SCORE,
            "NetworkMode": self.network,
            "ExtraHosts": list(self.extra_hosts),
            "Binds": [_bind(mount) for mount in self.mounts if _is_plain_bind(mount)],
            "Mounts": [_mount(mount) for mount in self.mounts if not _is_plain_bind(mount)],
            "NanoCpus": round((self.cpus or 0) * NANO_CPUS),
            "Memory": (self.memory_mb or 0) * MEGABYTE,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": self.log_max_size, "max-file": "1"}},
        }
        return {
            "Image": self.image,
            "Cmd": list(KEEPALIVE),
            "Env": [f"{name}={text}" for name, text in self.env.items()],
            "Labels": dict(self.labels),
            "HostConfig": host,
            **({"Hostname": self.hostname} if self.hostname else {}),
        }


async def create(engine: Engine, plan: ContainerPlan) -> str:
    """Make the container, in place of one of the same name; its id. Raises `ContainerStartError`."""
    try:
        made = await to_its_end(_create(engine, plan))
    except EngineError as error:
        kind = ImageGoneError if error.status == NO_IMAGE else ContainerStartError
        raise kind(f"the container of {plan.image} cannot be made: {error.message}") from error
    return str(made["Id"])


async def start(engine: Engine, container: str) -> int:
    """Start it and see it run; its first process. Raises `ContainerStartError`."""
    try:
        await to_its_end(engine.json("POST", f"/containers/{container}/start", repeatable=True))
    except EngineError as error:
        raise ContainerStartError(f"the container cannot be started: {error.message}") from error
    return int((await _running(engine, container))["Pid"])


async def healthy(engine: Engine, container: str) -> None:
    """Wait until the health check that its image brings is content; without one there is nothing to wait for.

    Raises `ContainerStartError` if the check gives up or the container ends.
    """
    while True:
        match (await _running(engine, container)).get("Health", {}).get("Status"):
            case "starting":
                await asyncio.sleep(HEALTH_SECONDS)
            case "unhealthy":
                raise ContainerStartError("the health check of the container's image says that it is unhealthy")
            case _:
                return


async def first_process(engine: Engine, container: str) -> int:
    """The process id of its first process; 0 if it has ended."""
    return int((await engine.json("GET", f"/containers/{container}/json"))["State"]["Pid"])


def has_entry_point(image: Mapping[str, Any]) -> bool:
    """Whether an image, as the engine describes it, brings a program that is to be PID 1."""
    return bool(image["Config"].get("Entrypoint"))


def workdir(image: Mapping[str, Any]) -> str:
    """Where commands begin in a container of an image, as the engine describes it: no command is needed to ask."""
    return image["Config"].get("WorkingDir") or "/"


async def _create(engine: Engine, plan: ContainerPlan) -> Any:
    # If its answer was lost, it is made already: its name is taken then, and it makes way for the next one.
    words: dict[str, Any] = {"query": {"name": plan.name}, "body": plan.order(), "repeatable": True}
    try:
        return await engine.json("POST", "/containers/create", **words)
    except EngineError as error:
        if error.status != NAME_TAKEN:
            raise
    await remove_container(engine, plan.name)
    return await engine.json("POST", "/containers/create", **words)


async def _running(engine: Engine, container: str) -> dict[str, Any]:
    state: dict[str, Any] = (await engine.json("GET", f"/containers/{container}/json"))["State"]
    if not state["Running"]:
        words = await _last_words(engine, container)
        raise ContainerStartError(f"the container ended at once, with exit code {state['ExitCode']}: {words}")
    return state


async def _last_words(engine: Engine, container: str) -> str:
    query = {"stdout": 1, "stderr": 1, "tail": LAST_WORDS}
    async with engine.opened("GET", f"/containers/{container}/logs", query=query) as answer:
        chunks = [chunk async for chunk in commands.frames(answer.reader)]
    return b"".join(chunks).decode(errors="replace").strip() or "it wrote nothing"


def _is_plain_bind(mount: Mapping[str, Any]) -> bool:
    """Whether the short form can say it: it makes what is missing on the host and sets labels, as Compose does."""
    spelled = f"{mount.get('source')}{mount['target']}"
    return mount["type"] == "bind" and ":" not in spelled and mount.get("bind", {}).get("create_host_path", True)


def _bind(mount: Mapping[str, Any]) -> str:
    modes = ["ro" if mount.get("read_only") else "rw"]
    if label := mount.get("bind", {}).get("selinux"):
        modes.append(label)
    return f"{mount['source']}:{mount['target']}:{','.join(modes)}"


def _mount(mount: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Type": mount["type"],
        "Source": mount.get("source", ""),
        "Target": mount["target"],
        "ReadOnly": bool(mount.get("read_only")),
    }
