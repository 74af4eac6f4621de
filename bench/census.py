"""What a host has at a moment: containers, networks, processes, open files."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from bench import engine
from bench.cpu import PROC, tree
from worker_agent.docker.engine import Engine

LOOK_SECONDS = 0.5  # which is the price of knowing: about a twentieth of a core


def look(pid: int, *, workers: list[str]) -> Mapping[str, int]:
    """The whole host's counts, and those of this process's tree and of the containers of these workers."""
    ours = tree(pid)
    return {
        **asyncio.run(_held_by_engine(workers)),
        "processes_of_the_machine": sum(1 for _ in PROC.glob("[0-9]*")),
        "processes_of_the_stack": len(ours),
        "open_files_of_the_machine": int(Path("/proc/sys/fs/file-nr").read_text().split()[0]),
        "open_files_of_the_stack": sum(map(_open_files, ours)),
    }


async def _held_by_engine(workers: list[str]) -> dict[str, int]:
    client = Engine()
    networks = await client.json("GET", "/networks")
    return {"containers": await engine.containers(client, workers=workers), "networks": len(networks)}


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:  # it ended since it was listed
        return 0
