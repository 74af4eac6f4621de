"""What a stack that was killed left on this host: removed by the next one on its data directory, or by `down`."""

import asyncio
from collections.abc import Callable

from flotilla.local.data_directory import DataDirectory
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.janitor import clear_place


def remember_engine(directory: DataDirectory, host: str | None) -> None:
    """Writes down which Docker engine this stack uses, for whoever has to clear up after it."""
    if host is not None:
        directory.engine_file.write_text(host)


def clear(directory: DataDirectory, *, say: Callable[[str], None]) -> list[str]:
    """Ends and removes what the workers of dead stacks left; what it was. Only for the holder of the directory."""
    host = directory.engine_file.read_text() if directory.engine_file.is_file() else None
    workers = sorted(directory.workers.iterdir()) if directory.workers.is_dir() else []
    removed: list[str] = []
    for scratch in workers:
        try:
            removed += asyncio.run(clear_place(scratch, worker_name=scratch.name, docker_host=host))
        except (EngineError, EngineUnavailableError) as fault:
            say(f"what {scratch.name} left in Docker stays until the next start: {fault}")
            removed += asyncio.run(clear_place(scratch, worker_name=scratch.name, docker_host=None))
    return removed
