"""Removes what trials leave on an engine, known by its labels: containers first, then what they held."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import EngineError

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1
IN_USE = (403, 409)


async def remove_labelled(engine: Engine, labels: Mapping[str, str]) -> list[str]:
    """Remove every container, network and volume that has all these labels; what was removed, as `kind name`.

    Raises `ValueError` without labels, `EngineError` for what stays.
    """
    filters = _filters(labels)
    removed: list[str] = []
    # What was still being made when the containers were listed holds on to the rest: then all is listed anew.
    await _until_it_succeeds(lambda: _remove_all(engine, filters, removed=removed))
    return removed


async def remove_images(engine: Engine, labels: Mapping[str, str]) -> list[str]:
    """Remove every image that has all these labels and that no container needs; what was removed, as `image name`."""
    removed = []
    for image in await engine.json("GET", "/images/json", query=_filters(labels)):
        try:
            await delete(engine, f"/images/{image['Id']}", force=1)
        except EngineError as error:
            if error.status not in IN_USE:
                raise
        else:
            removed.append(f"image {(image.get('RepoTags') or [image['Id']])[0]}")
    return removed


async def remove_objects(engine: Engine, labels: Mapping[str, str]) -> list[str]:
    """All of it: containers, networks, volumes, then images; what was removed, as `kind name`."""
    return await remove_labelled(engine, labels) + await remove_images(engine, labels)


async def strays(
    engine: Engine, labels: Mapping[str, str], *, of: str, known: Collection[str], older_than: float
) -> list[str]:
    """The values of the label `of` on what has these labels too, that are not `known` and on nothing younger."""
    youngest: dict[str, float] = {}
    for found in await _all_of(engine, labels):
        owner, made = (found["Labels"] or {}).get(of), _made(found)
        if owner is not None:
            youngest[owner] = max(made, youngest.get(owner, made))
    return sorted(owner for owner, made in youngest.items() if owner not in known and made < older_than)


async def remove_container(engine: Engine, container: str) -> None:
    """Kill a container and remove it with its anonymous volumes; one that is gone is fine."""
    # Under load the engine fails now and then, and a removal under way is a conflict.
    await _until_it_succeeds(lambda: delete(engine, f"/containers/{named(container)}", force=1, v=1))


def _filters(labels: Mapping[str, str]) -> dict[str, str]:
    if not labels:
        raise ValueError("without a label everything on the engine would be meant")
    return {"filters": json.dumps({"label": [f"{name}={text}" for name, text in labels.items()]})}


async def _all_of(engine: Engine, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    filters = _filters(labels)
    containers = await engine.json("GET", "/containers/json", query={"all": 1, **filters})
    networks = await engine.json("GET", "/networks", query=filters)
    images = await engine.json("GET", "/images/json", query=filters)
    return [*containers, *networks, *images, *((await engine.json("GET", "/volumes", query=filters))["Volumes"] or [])]


def _made(found: Mapping[str, Any]) -> float:
    """Seconds since the epoch: the engine has three ways to say it."""
    said = found.get("Created") or found["CreatedAt"]
    return float(said) if isinstance(said, int | float) else datetime.fromisoformat(said).timestamp()


async def _remove_all(engine: Engine, filters: Mapping[str, str], *, removed: list[str]) -> None:
    containers = await engine.json("GET", "/containers/json", query={"all": 1, **filters})
    await asyncio.gather(*(remove_container(engine, container["Id"]) for container in containers))
    removed += [f"container {container['Names'][0].lstrip('/')}" for container in containers]
    for network in await engine.json("GET", "/networks", query=filters):
        await delete(engine, f"/networks/{network['Id']}")
        removed.append(f"network {network['Name']}")
    for volume in (await engine.json("GET", "/volumes", query=filters))["Volumes"] or []:
        await delete(engine, f"/volumes/{named(volume['Name'])}", force=1)
        removed.append(f"volume {volume['Name']}")


async def delete(engine: Engine, path: str, **query: int) -> None:
    """Have it gone; what is gone already is fine."""
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
