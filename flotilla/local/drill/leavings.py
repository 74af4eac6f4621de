"""What a drill left on the machine after its stack was stopped, which must be nothing."""

import asyncio
import time
from collections.abc import Sequence

from flotilla.local.drill.engine_objects import EngineObjects
from flotilla.local.leftovers import left_on_engine, left_on_host
from flotilla.local.plan import Plan

GONE_SECONDS = 15.0  # the kernel takes the mounts of many sandboxes down one after the other
LOOK_SECONDS = 0.2


def leavings(
    plan: Plan, *, workers: Sequence[str], gone: Sequence[str], engine: EngineObjects | None
) -> tuple[str, ...]:
    """Processes, mounts, containers, networks, volumes, and the scratch of trials. A lost machine's went with it."""
    found: list[str] = []
    deadline = time.monotonic() + GONE_SECONDS
    while (found := left_on_host(plan.directory.root)) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    if engine is not None:
        engine.finish(list(gone))
        found += asyncio.run(left_on_engine(engine.host, list(workers)))
    for name in set(workers) - set(gone):
        found += [f"scratch {place}" for place in (plan.directory.worker_scratch(name) / "trials").glob("*")]
    return tuple(found)
