"""How long a run waits on a fleet with free slots, beside a task of Celery's in the same pattern.

Three spans end when a worker has the run's lease and opens its trial, or with the first instruction of that trial, in a
process of its own. They begin before the request that makes the job (its upload is done, its commit and its message are
not), or when the run is queued, that is, its message is in the queue; a worker may be so soon that this is never noted,
and then it is the commit that counts. Celery's begins before `delay`, which does no more than to queue, and ends with
the first instruction of the task's body.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench import stack
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.old_way import running as old_way
from bench.old_way.running import OldWay
from bench.percentiles import percentile
from bench.stack import Stack, unix_seconds

QUEUED = "Flotilla, queued to lease"
OURS = "Flotilla, request to lease"
INSIDE = "Flotilla, request to Harbor's first instruction"
CELERY = "Celery, delay to the task's body"
SLOTS = 60
PATTERNS = {"idle": 1.0, "steady": 0.5}
"""Seconds from one request to the next: each trial has ended before the next is asked for, or several run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long each run waited, in seconds."""

    queued: Sequence[float]
    claimed: Sequence[float]
    inside: Sequence[float]


def run(ground: Ground) -> None:
    """Both sides stay up, and are asked in turn."""
    count = 30 if ground.quick else 100
    with (
        stack.running(ground.work / "stack", slots=SLOTS, environment="sandbox") as ours,
        old_way.running(ground.work / "celery", processes=SLOTS) as celery,
    ):
        bundle = ours.upload()
        ours.finished(ours.order(bundle, runs=1))  # what is done once in a worker's life
        for _ in range(ground.rounds_of(quick=1, full=3)):
            for pattern, seconds in PATTERNS.items():
                waits = _ours(ours, bundle, count=count, seconds=seconds)
                _note(ground, QUEUED, pattern, waits.queued)
                _note(ground, OURS, pattern, waits.claimed)
                _note(ground, INSIDE, pattern, waits.inside)
                _note(ground, CELERY, pattern, _celerys(celery, count=count, seconds=seconds))


def _note(ground: Ground, side: str, pattern: str, waits: Sequence[float]) -> None:
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        ground.note(side, f"{pattern}, {name}", percentile(waits, share), unit="s")


def _ours(ours: Stack, bundle: str, *, count: int, seconds: float) -> Waits:
    jobs = []
    for _ in _paced(range(count), seconds=seconds):
        asked = time.time()
        jobs.append((asked, ours.order(bundle, runs=1)))
    queued, claimed, inside = [], [], []
    for asked, job in jobs:
        [run] = ours.finished(job)
        result = ours.client.transport.get(f"/v1/runs/{run['id']}/result")
        started = unix_seconds(run["started_at"] or "")
        queued.append(started - unix_seconds(run["queued_at"] or run["created_at"]))
        claimed.append(started - asked)
        inside.append(unix_seconds(result["started_at"]) - asked)
    return Waits(queued=queued, claimed=claimed, inside=inside)


def _celerys(celery: OldWay, *, count: int, seconds: float) -> list[float]:
    waits = []
    for _ in _paced(range(count), seconds=seconds):
        answer = celery.ask("moment", [[]])
        waits.append(answer["answers"][0] - answer["asked"][0])
    return waits


def _paced[T](items: Iterable[T], *, seconds: float) -> Iterator[T]:
    """Each item at its time, whatever was done with the last."""
    began = time.monotonic()
    for number, item in enumerate(items):
        time.sleep(max(began + number * seconds - time.monotonic(), 0))
        yield item


MEASURE = Measure(
    key="d",
    title="from the request to the start, one run at a time",
    run=run,
    check=old_way.check,
    goals=tuple(
        goal
        for pattern in PATTERNS
        for goal in (
            Goal(side=OURS, figure=f"{pattern}, p99", at_most=1.0),
            Goal(side=QUEUED, figure=f"{pattern}, p99", against=CELERY, at_most=2.0),
        )
    ),
)
