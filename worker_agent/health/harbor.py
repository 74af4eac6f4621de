"""Harbor: whether it is there in the one version that all results are made with, and can be imported."""

import asyncio
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from worker_agent.health.finding import Finding, broken, degraded, healthy
from worker_agent.trial import PRELOADED

PINNED = "0.24.0"
MEND = f"install harbor=={PINNED} into the environment of this Python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harbor:
    """The installed version, if any, and what importing it complained of."""

    version: str | None
    complaint: str | None


async def measure(*, imported: bool) -> Harbor:
    """Looks for it, and with `imported` imports it as a trial does, in a process of its own."""
    try:
        found = version("harbor")
    except PackageNotFoundError:
        return Harbor(version=None, complaint=None)
    return Harbor(version=found, complaint=await _complaint() if imported else None)


def harbor(found: Harbor) -> Finding:
    """The finding on Harbor."""
    if found.version is None:
        return broken("harbor", "it is not installed", mend=MEND)
    if found.complaint is not None:
        return broken("harbor", f"version {found.version} cannot be imported: {found.complaint}", mend=MEND)
    if found.version != PINNED:
        return degraded("harbor", f"version {found.version} is installed, {PINNED} is meant", mend=MEND)
    return healthy("harbor", f"version {found.version} is installed")


async def _complaint() -> str | None:
    words = [sys.executable, "-c", f"import {', '.join(PRELOADED)}"]
    devnull, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=devnull, stdout=devnull, stderr=pipe)
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    lines = said.decode(errors="replace").strip().splitlines()
    return None if process.returncode == 0 else (lines[-1] if lines else f"exit code {process.returncode}")
