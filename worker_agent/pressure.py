"""How long the host's processes stood still for want of CPU, memory or I/O: the kernel's own count (`/proc/pressure`).

For CPU it is the time in which at least one process waited (`some`: with all slots filled and every CPU in use there
always is a bit of it); for memory and I/O the time in which all of them did (`full`).
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PRESSURE = Path("/proc/pressure")
_LINES = {"cpu": "some", "memory": "full", "io": "full"}
PAUSING = ("memory", "io")
"""Waiting for a CPU slows every trial evenly; what swaps or waits for its disk comes to a standstill together."""
RELIEVED = 0.5
"""Times the limit: who paused goes on only below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """By resource: seconds stood still since the boot, and the share of the last ten seconds; `at` in seconds."""

    at: float
    seconds: Mapping[str, float]
    lately: Mapping[str, float]


def read(directory: Path = PRESSURE) -> Stalls | None:
    """The host's stalls at this moment; None where the kernel does not count them."""
    seconds, lately = {}, {}
    for resource, line in _LINES.items():
        try:
            text = (directory / resource).read_text(encoding="ascii")
        except OSError:  # a kernel without it, or with it switched off
            return None
        found = re.search(rf"^{line} avg10=(?P<avg>[\d.]+) .*total=(?P<total>\d+)$", text, re.MULTILINE)
        if found is None:
            return None
        seconds[resource], lately[resource] = int(found["total"]) / 1e6, float(found["avg"]) / 100
    return Stalls(at=time.monotonic(), seconds=seconds, lately=lately)


def shares(begin: Stalls | None, end: Stalls | None) -> dict[str, float] | None:
    """By resource the share of the time between that stood still, 0 to 1; None where it is not known."""
    if begin is None or end is None or end.at <= begin.at:
        return None
    between = end.at - begin.at
    return {name: round(min((end.seconds[name] - begin.seconds[name]) / between, 1.0), 4) for name in _LINES}


def conditions(begin: Stalls | None, end: Stalls | None, *, limit: float) -> dict[str, object]:
    """What a trial's row says of the stalls over its life; it is `contended` if one of them passed the limit."""
    stalled = shares(begin, end)
    return {"stalled": stalled, "contended": None if stalled is None else max(stalled.values()) > limit}


def pressing(stalls: Stalls | None, *, limit: float, was_pressing: bool) -> str | None:
    """Why nothing more should be taken on just now, or None."""
    if stalls is None:
        return None
    limit = limit * RELIEVED if was_pressing else limit
    over = {name: stalls.lately[name] for name in PAUSING if stalls.lately[name] > limit}
    told = " and ".join(f"{name} {share:.0%}" for name, share in over.items())
    return f"everything on this host stood still for want of {told} of the last ten seconds" if over else None
