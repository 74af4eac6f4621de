"""The containers of one stack's workers, as their machine would treat them: gone with it, stopped with it."""

import asyncio
import json
from threading import Thread

from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError
from worker_agent.docker.leftovers import remove_labelled
from worker_agent.environments import LABEL

CONFLICT = 409  # it ended, or was stopped already


class EngineObjects:
    """The engine outlives the machines that a drill takes away, which a real one would not."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._removals: list[Thread] = []

    def remove(self, worker: str) -> None:
        """Removes what a lost machine had, without waiting for it."""
        thread = Thread(target=self._remove, args=(worker,), name="engine objects")
        thread.start()
        self._removals.append(thread)

    def finish(self, workers: list[str]) -> None:
        """Waits for the removals, and repeats them: what was being made while its machine went is gone as well."""
        for thread in self._removals:
            thread.join()
        for worker in workers:
            self._remove(worker)

    def pause(self, worker: str) -> None:
        """Stops every container of a worker."""
        asyncio.run(self._tell_containers(worker, "pause"))

    def unpause(self, worker: str) -> None:
        """Lets them go on."""
        asyncio.run(self._tell_containers(worker, "unpause"))

    def _remove(self, worker: str) -> None:
        asyncio.run(remove_labelled(Engine(self.host), {f"{LABEL}.worker": worker}))

    async def _tell_containers(self, worker: str, action: str) -> None:
        engine = Engine(self.host)
        query = {"filters": json.dumps({"label": [f"{LABEL}.worker={worker}"]})}
        for container in await engine.json("GET", "/containers/json", query=query):
            try:
                await engine.json("POST", f"/containers/{container['Id']}/{action}")
            except EngineError as refused:
                if refused.status not in (404, CONFLICT):
                    raise
