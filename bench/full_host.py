"""A host with all of its sixty slots full of real trials: all graded, how soon, and what it held at its fullest.

A trial of `hello` is over before the last one has started. So the same is done with trials that stay at work until all
sixty must live at once.
"""

from functools import partial

from bench import census, engine, stack, waiting
from bench.cpu import spending
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.peak import watching

OURS = "Flotilla, whole pipeline"
ALIVE = "Flotilla, each a minute at work"
SLOTS = 60
FULLEST = "at its fullest: "
AT_WORK_SECONDS = 60
"""Longer than sixty of them take to start."""


def run(ground: Ground) -> None:
    """A stack, warm, and then sixty runs at a time."""
    with stack.running(ground.work / "stack", slots=SLOTS) as ours:
        bundle = ours.upload()
        ours.finished(ours.order(bundle, runs=1))  # what is done once in a worker's life
        at_work = ours.upload(waiting.write(ground.work / "task", seconds=AT_WORK_SECONDS))
        for _ in range(ground.rounds_of(quick=1, full=3)):
            _fill(ground, ours, bundle, side=OURS)
            _fill(ground, ours, at_work, side=ALIVE)


def _fill(ground: Ground, ours: stack.Stack, bundle: str, *, side: str) -> None:
    ours.await_no_containers()
    look = partial(census.look, ours.pid, workers=[worker["name"] for worker in ours.client.workers()])
    with watching(look, every=census.LOOK_SECONDS) as peak, spending() as spent:
        graded = ours.finished(ours.order(bundle, runs=SLOTS))
    ground.note(side, "wall", spent.wall, unit="s")
    ground.note(side, "CPU of the machine", spent.cpu, unit="s")
    ground.note(side, "graded", len(graded), unit="runs")
    for name, count in peak.counts.items():
        ground.note(side, f"{FULLEST}{name.replace('_', ' ')}", count, unit="")


MEASURE = Measure(
    key="h",
    title=f"{SLOTS} real trials at once on one host",
    run=run,
    check=engine.check,
    quick=False,
    goals=(
        Goal(side=OURS, figure="graded", at_least=SLOTS),
        Goal(side=OURS, figure="wall", at_most=35),
        Goal(side=ALIVE, figure="graded", at_least=SLOTS),
        Goal(side=ALIVE, figure=f"{FULLEST}containers", at_least=SLOTS),
    ),
)
