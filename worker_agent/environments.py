"""Where trials run: in Docker where an engine answers, else in a sandbox of this host; said plainly either way."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flotilla.store.leases import Claimed
from worker_agent.docker.engine import DEFAULT_HOST, Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.sandbox.availability import refused_on_aws, why_unavailable
from worker_agent.settings import Wanted, WorkerSettings

DOCKER_CLASS = "worker_agent.docker.environment:DockerTrialEnvironment"
SANDBOX_CLASS = "worker_agent.sandbox.environment:SandboxEnvironment"
DOCKER_PARTS = ("harbor.environments.docker.docker_unix",)  # which Harbor imports when a trial begins
SANDBOX_PARTS = ("encodings.unicode_escape",)  # how the kernel writes names of mounts
LABEL = "flotilla"
SANDBOX_NICENESS = 10  # a tenth of the usual share of the processors, which its control group has too
NOTES = "notes.json"  # in a trial's scratch: what its environment says of its end
CONTAINERS_A_TRIAL = 2  # the agent's, and the verifier's where that is a separate one


class EnvironmentUnavailable(Exception):
    """Trials cannot run in the wanted environment here; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The environment that trials run in, and why; `docker_host` is the engine's address where it is Docker."""

    name: Wanted
    reason: str
    docker_host: str | None = None

    @property
    def modules(self) -> Sequence[str]:
        """What the nursery imports for it."""
        if self.name is Wanted.DOCKER:
            return (_module(DOCKER_CLASS), *DOCKER_PARTS)
        return (_module(SANDBOX_CLASS), *SANDBOX_PARTS)

    @property
    def build_patience(self) -> float:
        """How many times the task's build limit Harbor waits for the start.

        In Docker that limit is applied to the build alone, which may first wait for its turn among others.
        """
        return 4.0 if self.name is Wanted.DOCKER else 1.0

    @property
    def niceness(self) -> int:
        """Of the trials' processes. A sandbox is all below them, and the worker goes first: it renews all leases.

        Containers are not, and are in groups of their own: Harbor, which times them, must not stand behind them.
        """
        return 0 if self.name is Wanted.DOCKER else SANDBOX_NICENESS


async def choose(wanted: Wanted, *, scratch: Path, environ: Mapping[str, str]) -> Chosen:
    """What is wanted, or with `auto` what this host can do: Docker first. Raises EnvironmentUnavailable."""
    docker, why_not = await _docker(environ) if wanted is not Wanted.SANDBOX else (None, "")
    if docker is not None:
        return docker
    if wanted is Wanted.DOCKER:
        raise EnvironmentUnavailable(f"{why_not}, or choose --environment sandbox")
    fault = refused_on_aws(environ) or await why_unavailable(scratch)
    if fault:
        raise EnvironmentUnavailable(f"{why_not}; {fault}" if why_not else fault)
    reason = "a sandbox made of Linux namespaces over this host's own programs"
    return Chosen(name=Wanted.SANDBOX, reason=f"{why_not}: {reason}" if why_not else reason)


async def _docker(environ: Mapping[str, str]) -> tuple[Chosen | None, str]:
    host = environ.get("DOCKER_HOST") or DEFAULT_HOST
    try:
        version = await Engine(host).json("GET", "/version")
    except (EngineError, EngineUnavailableError, ValueError) as fault:
        return None, str(fault)
    return Chosen(name=Wanted.DOCKER, reason=f"Docker engine {version['Version']} at {host}", docker_host=host), ""


def environment_of(chosen: Chosen, settings: WorkerSettings) -> Callable[[Claimed, Path], Mapping[str, Any]]:
    """A function from a run and its scratch directory to Harbor's environment settings for its trial."""
    most = {"processes": settings.processes, "memory_mb": settings.memory_mb or half_of_the_memory()}
    if chosen.name is Wanted.SANDBOX:
        hidden = [str(path) for path in settings.hidden_paths]
        return lambda _, scratch: {
            "import_path": SANDBOX_CLASS,
            "kwargs": {
                "scratch": str(scratch / "sandbox"),
                "hidden": hidden,
                "notes": str(scratch / NOTES),
                **most,
            },
        }
    return lambda run, scratch: {
        "import_path": DOCKER_CLASS,
        "kwargs": {
            "notes": str(scratch / NOTES),
            **most,
            "labels": {**worker_labels(settings), f"{LABEL}.run": run.lease.run_id, f"{LABEL}.trial": run.trial_name},
            "network": f"{LABEL}-{settings.worker_name}",
            "subnet": settings.trial_subnet,
            "containers_at_once": settings.slots * CONTAINERS_A_TRIAL,
            "lock_dir": str(settings.governor or settings.scratch / "governor"),
            "allow_host_access": settings.allow_host_access,
        },
    }


def half_of_the_memory() -> int:
    """Of this host, in megabytes: with it one trial takes no other's host away."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 >> 20


def worker_labels(settings: WorkerSettings) -> dict[str, str]:
    """The labels of every Docker object that this worker's trials make."""
    return {f"{LABEL}.worker": settings.worker_name}


def _module(import_path: str) -> str:
    return import_path.partition(":")[0]
