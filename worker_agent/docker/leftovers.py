"""Removes what trials leave on an engine, known by its labels: containers first, then what they held."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import EngineError

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1
IN_USE = (403, 409)


async def remove_labelled(engine: Engine, labels: Mapping[str, str]) -> list[str]:
    """Remove every container, network and volume that has all these labels; what was removed, as `kind name`.

    Raises `ValueError` without labels, `EngineError` for what stays.
    """
    if not labels:
        raise ValueError("without a label everything on the engine would be meant")
    filters = {"filters": json.dumps({"label": [f"{name}={text}" for name, text in labels.items()]})}
    removed: list[str] = []
    # What was still being made when the containers were listed holds on to the rest: then all is listed anew.
    await _until_it_succeeds(lambda: _remove_all(engine, filters, removed=removed))
    return removed


async def remove_container(engine: Engine, container: str) -> None:
    """Kill a container and remove it with its anonymous volumes; one that is gone is fine."""
    # Under load the engine fails now and then, and a removal under way is a conflict.
    await _until_it_succeeds(lambda: _delete(engine, f"/containers/{named(container)}", force=1, v=1))


async def _remove_all(engine: Engine, filters: Mapping[str, str], *, removed: list[str]) -> None:
    containers = await engine.json("GET", "/containers/json", query={"all": 1, **filters})
    await asyncio.gather(*(remove_container(engine, container["Id"]) for container in containers))
    removed += [f"container {container['Names'][0].lstrip('/')}" for container in containers]
    for network in await engine.json("GET", "/networks", query=filters):
        await _delete(engine, f"/networks/{network['Id']}")
        removed.append(f"network {network['Name']}")
    for volume in (await engine.json("GET", "/volumes", query=filters))["Volumes"] or []:
        await _delete(engine, f"/volumes/{named(volume['Name'])}", force=1)
        removed.append(f"volume {volume['Name']}")


async def _delete(engine: Engine, path: str, **query: int) -> None:
    try:
        await engine.json("DELETE", path, query=query)
    except EngineError as error:
        if error.status != 404:
            raise


async def _until_it_succeeds(work: Callable[[], Awaitable[None]]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            await work()
        except EngineError as error:
            passes = error.status in IN_USE or error.status >= 500
            if not passes or attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        else:
            return
