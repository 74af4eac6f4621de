"""Images for trials: found, pulled or built once on this host, however many trials want them."""

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker_agent.docker.credentials import registry_auth
from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import (
    EngineError,
    EngineUnavailableError,
    ImageBuildError,
    ImageBuildTimeoutError,
    ImagePullError,
)
from worker_agent.docker.governor import Governor
from worker_agent.docker.image_budget import ImageBudget
from worker_agent.docker.repetition import PASSING_OF_REGISTRIES, may_repeat, repeated, says
from worker_agent.docker.stock import Stock

KEPT_LINES = 40
QUIET_SECONDS = 300.0
"""A pull that says nothing for so long hangs: while layers come, there is a line for every part of them."""
PULL_ATTEMPTS = 3
PULL_FAILED = 500  # what the engine would answer if it had not begun to tell of its progress
UNRESOLVED_BASE = ("failed to resolve source metadata", "pull access denied", "manifest unknown", "no such host")
"""What builders write when a Dockerfile's `FROM` is not to be had."""

Say = Callable[[str], None]
Build = Callable[[Say], Awaitable[int]]
"""Runs a build, saying its output line by line; its exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of one engine. What is pulled and built is told to `say`, line by line.

    What was asked for stays on this host until it is released: it is not taken away between its making and its use.
    """

    engine: Engine
    governor: Governor
    say: Say
    stock: Stock = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stock", self.governor.stock())

    def release(self) -> None:
        """Nothing that was asked for is needed any more."""
        self.stock.release()

    async def find(self, name: str) -> dict[str, Any] | None:
        """What the engine knows of an image, or nothing if it does not have it."""
        try:
            image: dict[str, Any] = await self.engine.json("GET", f"/images/{named(name)}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return image

    async def pulled(self, name: str) -> dict[str, Any]:
        """An image of a registry, pulled if it is not on this host. Raises `ImagePullError`."""
        if await self._once([name], make=lambda: self._pull(name)):
            self.stock.enter(name)  # what was there before is not ours
        return await self._there(name)

    async def built(self, names: Sequence[str], *, build: Build, seconds: float) -> None:
        """Images named by their content, built together if one of them is not on this host.

        Raises `ImageBuildError`, or `ImageBuildTimeoutError` after so many seconds of building; waiting for others
        does not count.
        """
        await self._once(names, make=lambda: self._build(names[0], build=build, seconds=seconds))
        for name in names:
            self.stock.enter(name)

    async def rebuilt(self, name: str, *, build: Build, seconds: float) -> None:
        """Images of which only the builder can tell whether they are current; fails as `built` does."""
        await self._build(name, build=build, seconds=seconds)

    async def _once(self, names: Sequence[str], *, make: Callable[[], Awaitable[None]]) -> bool:
        """Whether it was made now, by us."""
        for name in names:
            await self.stock.hold(name)
        if await self._all_found(names):
            return False
        asked_at = time.time()
        key = hashlib.sha256(names[0].encode()).hexdigest()[:24]
        async with self.governor.alone(f"image-{key}"):
            if await self._all_found(names):
                return False
            failure = Failure(path=self.governor.directory / f"image-{key}.failure")
            failure.raise_since(asked_at)
            await self._make_room()
            try:
                await make()
            except (ImageBuildError, ImageBuildTimeoutError, ImagePullError) as error:
                failure.record(error)
                raise
            return True

    async def _make_room(self) -> None:
        budget = ImageBudget(engine=self.engine, governor=self.governor, stock=self.stock)
        try:
            for name in await budget.make_room():
                self.say(f"removed the image {name} for want of room")
        except (EngineError, EngineUnavailableError) as fault:  # then what is made now may fail, and say why
            self.say(f"no room was made: {fault}")

    async def _all_found(self, names: Sequence[str]) -> bool:
        return all([await self.find(name) for name in names])

    async def _there(self, name: str) -> dict[str, Any]:
        image = await self.find(name)
        if image is None:
            raise ImagePullError(f"the image {name} was pulled, yet the engine does not have it")
        return image

    async def _pull(self, name: str) -> None:
        repository, tag = reference(name)
        query = {"fromImage": repository, "tag": tag}
        async with self.governor.pulling():
            self.say(f"pulling {name}")
            headers = await asyncio.to_thread(registry_auth, name)
            try:
                await repeated(
                    lambda: self._pull_once(query, headers=headers),
                    passes=_pull_may_repeat,
                    attempts=PULL_ATTEMPTS,
                )
            except EngineError as error:
                raise ImagePullError(f"the image {name} cannot be pulled: {error.message}") from error

    async def _pull_once(self, query: Mapping[str, str], *, headers: Mapping[str, str]) -> None:
        words: dict[str, Any] = {"query": query, "headers": headers}
        steps = self.engine.events("POST", "/images/create", **words, seconds=None, quiet_seconds=QUIET_SECONDS)
        async with aclosing(steps):
            async for step in steps:
                if "error" in step:
                    raise EngineError(PULL_FAILED, str(step["error"]))
                if "progressDetail" not in step:
                    self.say(step.get("status", ""))

    async def _build(self, name: str, *, build: Build, seconds: float) -> None:
        kept: deque[str] = deque(maxlen=KEPT_LINES)

        def hear(line: str) -> None:
            kept.append(line)
            self.say(line)

        async with self.governor.building():
            self.say(f"building {name}")
            try:
                async with asyncio.timeout(seconds) as limit:
                    code = await build(hear)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise ImageBuildTimeoutError(_ended(f"the image was not built within {seconds:g} s", kept)) from error
        if code == 0:
            return
        if any(mark in line for mark in UNRESOLVED_BASE for line in kept):
            raise ImagePullError(_ended("the image that the Dockerfile begins with cannot be pulled", kept))
        raise ImageBuildError(_ended(f"the image could not be built (exit code {code})", kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How the last attempt at an image failed, so that those who waited for it need not fail one after the other."""

    path: Path

    def record(self, error: Exception) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps({"at": time.time(), "kind": type(error).__name__, "message": str(error)}))
        draft.replace(self.path)

    def raise_since(self, moment: float) -> None:
        """Raise the failure anew if it came after that moment."""
        if not self.path.exists():
            return
        last = json.loads(self.path.read_text())
        kinds = {kind.__name__: kind for kind in (ImageBuildError, ImageBuildTimeoutError, ImagePullError)}
        if last["at"] >= moment:
            raise kinds[last["kind"]](last["message"])


def reference(name: str) -> tuple[str, str]:
    """The repository of an image and its tag or digest: without one the engine would pull every tag there is."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "latest")


def _pull_may_repeat(fault: Exception) -> bool:
    of_registry = isinstance(fault, EngineError) and fault.status >= PULL_FAILED
    return (of_registry and says(str(fault), PASSING_OF_REGISTRIES)) or may_repeat(fault, method="POST", safe=True)


def _ended(fault: str, lines: deque[str]) -> str:
    return "\n".join([f"{fault}; the end of its output:", *lines])
