"""The engine that real trials run in: whether it answers, and what it holds."""

import asyncio
import json
import time
from collections.abc import Sequence

from bench.faults import BenchFault, MissingPart
from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.environments import LABEL

IMAGE = "debian:bookworm-slim"  # that of the example tasks; no registry is asked for it while something is timed
LOOK_SECONDS = 0.05
QUIET_SECONDS = 120.0


def check() -> None:
    """Raises MissingPart if no engine answers, or if it lacks the image."""
    try:
        asyncio.run(Engine().json("GET", f"/images/{named(IMAGE)}/json"))
    except (EngineUnavailableError, ValueError) as fault:
        raise MissingPart(f'{fault}; on Debian: eval "$(.ci/docker-engine start)"') from fault
    except EngineError as fault:
        mend = f"docker pull {IMAGE}, or, with no registry, .ci/docker-engine start makes one"
        raise MissingPart(f"the engine has no image {IMAGE} ({fault.message}): {mend}") from fault


async def containers(engine: Engine, *, workers: Sequence[str]) -> int:
    """How many these workers of ours have, whatever their state."""
    found = 0
    for worker in workers:
        filters = json.dumps({"label": [f"{LABEL}.worker={worker}"]})
        found += len(await engine.json("GET", "/containers/json", query={"all": 1, "filters": filters}))
    return found


def await_no_containers(workers: Sequence[str]) -> None:
    """Returns once these workers have none: what a side left running is its own cost, not the next one's."""
    engine, deadline = Engine(), time.monotonic() + QUIET_SECONDS
    while asyncio.run(containers(engine, workers=workers)):
        if time.monotonic() > deadline:
            raise BenchFault(f"containers of {', '.join(workers)} were still there after {QUIET_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)
