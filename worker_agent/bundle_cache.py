"""Bundles on the worker's local disk: read once from the shared file system, unpacked once for all their trials."""

import asyncio
from pathlib import Path

from flotilla.archive import Limits, unpack
from flotilla.layout import Layout
from flotilla.store.leases import Claimed
from worker_agent.threads import Threads


class BundleCache:
    """`{directory}/{sha256}/task`: complete or not there."""

    def __init__(self, directory: Path, *, layout: Layout, limits: Limits, threads: Threads) -> None:
        self._directory = directory
        self._layout = layout
        self._limits = limits
        self._threads = threads
        self._locks: dict[str, asyncio.Lock] = {}

    async def task(self, run: Claimed) -> Path:
        """The task's directory. Raises OSError if the shared file system does not give the archive."""
        target = self._directory / run.sha256 / "task"
        async with self._locks.setdefault(run.sha256, asyncio.Lock()):
            if not target.exists():
                archive = self._layout.job_bundle(run.job_id, run.bundle_format)
                await self._threads.files(lambda: self._fetch(archive, target))
        return target

    def _fetch(self, archive: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack(archive, target, limits=self._limits)
