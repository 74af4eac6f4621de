"""List scheduling: the next run goes to the slot that is free first. No fleet of the same slots beats it by much."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import NormalDist


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """How long one run held its slot, in seconds since anything; `worker` had the slot."""

    worker: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def makespan(durations: Sequence[float], *, slots: int) -> float:
    """When the last one ends if each, in this order, begins the moment a slot is free."""
    free = [0.0] * slots
    for seconds in durations:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def least(durations: Sequence[float], *, slots: int) -> float:
    """What no order can undercut: all slots busy to the end, or the longest one alone."""
    return max(sum(durations) / slots, *durations)


def idle_share(stays: Sequence[Stay], *, slots: int) -> float:
    """The share of slot time that went unused from the first start to the last: as long as runs waited for a slot."""
    begin, end = min(stay.began for stay in stays), max(stay.began for stay in stays)
    used = sum(min(stay.ended, end) - stay.began for stay in stays)
    return 1 - used / (slots * (end - begin))


def log_normal(*, median: float, sigma: float, count: int) -> list[float]:
    """So many durations of a log-normal kind, at even steps of probability: the same each time."""
    normal = NormalDist()
    return [median * exp(sigma * normal.inv_cdf((step + 0.5) / count)) for step in range(count)]
