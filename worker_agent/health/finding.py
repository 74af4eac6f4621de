"""What a check found: how bad it is, what was seen, and what mends it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How well one thing, or the whole worker, is; from good to bad."""

    HEALTHY = "healthy"
    """Nothing is wrong with it."""
    DEGRADED = "degraded"
    """Trials run, and somebody should look."""
    BROKEN = "broken"
    """No trial can be carried out like this."""


EXIT_CODES = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.BROKEN: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's answer: a sentence with numbers of what was `seen`, and the `mend` where something is wrong."""

    name: str
    status: Status
    seen: str
    mend: str | None = None


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status among them; nothing found is nothing wrong."""
    return max((finding.status for finding in findings), key=lambda status: EXIT_CODES[status], default=Status.HEALTHY)


def healthy(name: str, seen: str) -> Finding:
    """Nothing is wrong."""
    return Finding(name=name, status=Status.HEALTHY, seen=seen)


def degraded(name: str, seen: str, *, mend: str) -> Finding:
    """Something should be looked at."""
    return Finding(name=name, status=Status.DEGRADED, seen=seen, mend=mend)


def broken(name: str, seen: str, *, mend: str) -> Finding:
    """Nothing works like this."""
    return Finding(name=name, status=Status.BROKEN, seen=seen, mend=mend)


def reason(findings: Iterable[Finding]) -> str:
    """What is broken, in one line for a worker's row."""
    return "; ".join(f"{one.name}: {one.seen}" for one in findings if one.status is Status.BROKEN)
