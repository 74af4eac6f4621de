"""What a stack that was stopped left on this machine, which must be nothing."""

import json
from pathlib import Path

from worker_agent.docker.engine import Engine
from worker_agent.environments import LABEL


def left_on_host(directory: Path) -> list[str]:
    """Processes and mounts that have to do with a data directory.

    A process that has ended, reaped or not, is none; nor are this one and those by which it was called, which may well
    name the directory.
    """
    mark = str(directory)
    mounts = [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if mark in line]
    callers = _lineage()
    others = [entry for entry in Path("/proc").glob("[0-9]*") if entry.name not in callers]
    return mounts + [f"process {entry.name}" for entry in others if _concerns(entry, mark)]


async def left_on_engine(host: str, worker_names: list[str]) -> list[str]:
    """Containers, networks and volumes of these workers on the Docker engine there."""
    engine = Engine(host)
    found = []
    for name in worker_names:
        query = {"filters": json.dumps({"label": [f"{LABEL}.worker={name}"]})}
        containers = await engine.json("GET", "/containers/json", query={"all": 1, **query})
        networks = await engine.json("GET", "/networks", query=query)
        volumes = (await engine.json("GET", "/volumes", query=query))["Volumes"] or []
        found += [f"container {container['Id'][:12]}" for container in containers]
        found += [f"network {network['Name']}" for network in networks]
        found += [f"volume {volume['Name']}" for volume in volumes]
    return found


def _lineage() -> set[str]:
    """This process and its ancestors."""
    found: set[str] = set()
    pid = Path("/proc/self").resolve().name
    while pid != "0":
        found.add(pid)
        pid = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
    return found


def _concerns(process: Path, mark: str) -> bool:
    """Whether a process was started for the directory, works in it, or has it mounted."""
    try:
        told = [(process / name).read_bytes() for name in ("cmdline", "environ", "mountinfo")]
        return str((process / "cwd").readlink()).startswith(mark) or any(mark.encode() in words for words in told)
    except OSError:  # it ended, or is another account's
        return False
