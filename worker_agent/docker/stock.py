"""The images that are Flotilla's on this host, and when each was last wanted: one file an image, locked while in use.

The file of an image that Flotilla built or pulled holds its name, its time is that of the last use. An image that was
there before, or has gone, has an empty file: it is only locked.
"""

import asyncio
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LOOK_SECONDS = 0.1
HOUSES = ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/")
"""What an engine leaves out of the names that it lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """An image of ours, by the name that the engine lists; `used_at` is in seconds since the epoch."""

    name: str
    used_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The record, shared by all processes that name the same directory. `held` are the uses of this one."""

    directory: Path
    held: dict[str, int] = field(default_factory=dict)

    async def hold(self, name: str) -> None:
        """The image is in use from now on until `release`, or this process's end: nobody removes it for room.

        It waits for somebody who removes it right now.
        """
        if name in self.held:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = _locked(self._file(name), fcntl.LOCK_SH)
            if descriptor is not None:
                break
            await asyncio.sleep(LOOK_SECONDS)
        _mark(descriptor)
        self.held[name] = descriptor

    def release(self) -> None:
        """Nothing is in use here any more; now is the last use of what was."""
        while self.held:
            _, descriptor = self.held.popitem()
            _mark(descriptor)
            os.close(descriptor)

    def enter(self, name: str) -> None:
        """Take down that the image, which is held, is ours."""
        os.pwrite(self.held[name], familiar(name).encode(), 0)
        _mark(self.held[name])

    def listed(self) -> list[Stocked]:
        """Ours, the least recently used first."""
        files = self.directory.iterdir() if self.directory.is_dir() else ()
        found = [Stocked(name=name, used_at=file.stat().st_mtime) for file in files if (name := file.read_text())]
        return sorted(found, key=lambda image: image.used_at)

    @contextmanager
    def discarding(self, name: str) -> Iterator[bool]:
        """Whether nobody uses it, so that it may be removed in here; it is ours no more then, unless that fails."""
        descriptor = None if name in self.held else _locked(self._file(name), fcntl.LOCK_EX)
        if descriptor is None:
            yield False
            return
        try:
            yield True
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _file(self, name: str) -> Path:
        return self.directory / hashlib.sha256(familiar(name).encode()).hexdigest()[:32]


def familiar(name: str) -> str:
    """The name as the engine lists it: without its house, with a tag or else a digest."""
    house = next((house for house in HOUSES if name.startswith(house)), "")
    name = name.removeprefix(house)
    if "@" in name:
        repository, _, digest = name.partition("@")
        return f"{_untagged(repository)}@{digest}"
    return name if _untagged(name) != name else f"{name}:latest"


def _untagged(name: str) -> str:
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _mark(descriptor: int) -> None:
    """Now is its last use. What the kernel itself takes for now may be a few milliseconds old."""
    now = time.time_ns()
    os.utime(descriptor, ns=(now, now))


def _locked(file: Path, kind: int) -> int | None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return descriptor
    os.close(descriptor)
    return None
