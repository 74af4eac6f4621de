"""Keeps Flotilla's images and the builder's cache within their share of the disk; what is not ours stays."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import EngineError
from worker_agent.docker.eviction import Image, Layer, footprint, surplus
from worker_agent.docker.governor import Governor
from worker_agent.docker.leftovers import IN_USE, delete
from worker_agent.docker.stock import Stock, Stocked
from worker_agent.health.blocking import in_thread
from worker_agent.health.engine import root_of
from worker_agent.health.room import DISK_LOW, INODE_LOW, Room, measure

DEFAULT_SHARE = 0.5
"""Of the disk that the engine keeps its images on; the rest is for what trials write, and whatever else is there."""
CACHE_SHARE = 0.25
"""Of the images' budget, for the builder's cache beside them."""
INODE_STEP = 0.8
"""Where inodes are short, no one knows how many an image has: a fifth of the images goes at a time."""
PRUNE_SECONDS = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBudget:
    """`most_bytes` for all images of ours together, by default half of their disk; and `cache_share` of it beside."""

    engine: Engine
    governor: Governor
    stock: Stock
    most_bytes: float | None = None
    cache_share: float = CACHE_SHARE
    known: dict[str, list[Layer]] = field(default_factory=dict)
    """The layers of images that were looked at before; an image never changes."""

    async def keep(self) -> list[str]:
        """One round: what is beyond the budget, or leaves too little room on the disk, is removed; its names."""
        room = await self._room()
        return await self._clear(room, budget=self._budget(room))

    async def make_room(self) -> list[str]:
        """Before something large is made: the same, unless there is room enough."""
        room = await self._room()
        return await self._clear(room, budget=inf) if room is not None and _is_short(room) else []

    def _budget(self, room: Room | None) -> float:
        if self.most_bytes is not None:
            return self.most_bytes
        return DEFAULT_SHARE * room.bytes if room is not None else inf

    async def _room(self) -> Room | None:
        """Where the engine keeps its images, if that is on this host."""
        root = await root_of(self.engine.host)
        return await in_thread(lambda: measure(root)) if root is not None and root.exists() else None

    async def _clear(self, room: Room | None, *, budget: float) -> list[str]:
        async with self.governor.alone("eviction"):
            images, of_others = await self._images()
            occupied = footprint(images, of_others=of_others)
            allowed = allowance(occupied, budget=budget, room=room)
            going = surplus(images, of_others=of_others, allowed=allowed)
            gone = [name for image in going for name in image.names if await self._discard(name)]
            await self._prune(0 if room is not None and _is_short(room) else self.cache_share * budget)
        return gone

    async def _images(self) -> tuple[list[Image], set[str]]:
        """Ours, and the layers that images of others have as well."""
        used_at = {image.name: image.used_at for image in await self._stocked()}
        users = await self.engine.json("GET", "/containers/json", query={"all": 1})
        in_use = {container["ImageID"] for container in users}
        ours, of_others = [], set()
        listed = await self.engine.json("GET", "/images/json")
        for image in listed:
            names = _names(image)
            layers = await self._layers(image["Id"])
            if names and all(name in used_at for name in names):
                last = max(used_at[name] for name in names)
                ours.append(
                    Image(id=image["Id"], names=names, used_at=last, layers=layers, in_use=image["Id"] in in_use)
                )
            else:
                of_others |= {layer.key for layer in layers}
        for forgotten in self.known.keys() - {image["Id"] for image in listed}:
            del self.known[forgotten]
        return ours, of_others

    async def _stocked(self) -> list[Stocked]:
        return await in_thread(self.stock.listed)

    async def _layers(self, image: str) -> list[Layer]:
        if image not in self.known:
            try:
                history = await self.engine.json("GET", f"/images/{image}/history")
                contents = (await self.engine.json("GET", f"/images/{image}/json"))["RootFS"].get("Layers") or []
            except EngineError as error:
                if error.status != 404:  # somebody removed it since it was listed
                    raise
                return []
            self.known[image] = layers_of(history, contents=contents)
        return self.known[image]

    async def _discard(self, name: str) -> bool:
        """Whether it is gone. It is not removed by force: a container that was made meanwhile keeps its image."""
        with self.stock.discarding(name) as may_go:
            if not may_go:
                return False
            try:
                await delete(self.engine, f"/images/{named(name)}")
            except EngineError as error:
                if error.status not in IN_USE:
                    raise
                _log.info("the image %s stays: %s", name, error.message)
                return False
        _log.info("removed the image %s, the least recently used", name)
        return True

    async def _prune(self, keep_bytes: float) -> None:
        """The builder's cache holds on to the layers of images that are gone, and to what failed builds made."""
        if keep_bytes == inf:
            return
        query = {"keep-storage": int(keep_bytes)}
        pruned = await self.engine.json("POST", "/build/prune", query=query, seconds=PRUNE_SECONDS)
        if pruned and pruned.get("SpaceReclaimed"):
            _log.info("removed %d bytes of the builder's cache", pruned["SpaceReclaimed"])


def allowance(occupied: float, *, budget: float, room: Room | None) -> float:
    """How many bytes our images may take up: their budget, or less if the disk is short of room."""
    if room is None:
        return budget
    missing = max(0.0, DISK_LOW.of(room.bytes) - room.free_bytes)
    of_inodes = INODE_STEP * occupied if _lacks_inodes(room) else inf
    return max(0.0, min(budget, occupied - missing if missing else inf, of_inodes))


def layers_of(history: Sequence[Mapping[str, Any]], *, contents: Sequence[str]) -> list[Layer]:
    """The layers of an image: its history, latest first, has their sizes, and `contents`, first first, what they are.

    Images that began alike have the beginning of both in common. The history alone has no more than a second, a
    command and a size to tell two steps apart; a step that wrote nothing may have a layer or none.
    """
    layers: list[Layer] = []
    chain = hashlib.sha256()
    for step in reversed(history):
        chain.update(f"{step['Created']} {step['Size']} {step['CreatedBy']}\n".encode())
        if step["Size"]:
            chain.update("".join(contents[len(layers) : len(layers) + 1]).encode())
            layers.append(Layer(key=chain.hexdigest()[:32], size=step["Size"]))
    return layers


def _is_short(room: Room) -> bool:
    return room.free_bytes < DISK_LOW.of(room.bytes) or _lacks_inodes(room)


def _lacks_inodes(room: Room) -> bool:
    return bool(room.inodes) and room.free_inodes < INODE_LOW.of(room.inodes)


def _names(image: Mapping[str, Any]) -> list[str]:
    """Its tags, or where it has none its digests."""
    tags, digests = (
        [name for name in image.get(kind) or [] if "<none>" not in name] for kind in ("RepoTags", "RepoDigests")
    )
    return tags or digests
