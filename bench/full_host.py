"""A host with all of its sixty slots full of real trials: all graded, how soon, and what it held at its fullest."""

from functools import partial

from bench import census, engine, stack
from bench.cpu import spending
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.peak import watching

OURS = "Flotilla, whole pipeline"
SLOTS = 60


def run(ground: Ground) -> None:
    """A stack, warm, and then sixty runs at a time."""
    with stack.running(ground.work / "stack", slots=SLOTS) as ours:
        bundle = ours.upload()
        ours.finished(ours.order(bundle, runs=1))  # what is done once in a worker's life
        workers = [worker["name"] for worker in ours.client.workers()]
        for _ in range(ground.rounds_of(quick=1, full=3)):
            ours.await_no_containers()
            look = partial(census.look, ours.pid, workers=workers)
            with watching(look, every=census.LOOK_SECONDS) as peak, spending() as spent:
                graded = ours.finished(ours.order(bundle, runs=SLOTS))
            ground.note(OURS, "wall", spent.wall, unit="s")
            ground.note(OURS, "CPU of the machine", spent.cpu, unit="s")
            ground.note(OURS, "graded", len(graded), unit="runs")
            for name, count in peak.counts.items():
                ground.note(OURS, f"at its fullest: {name.replace('_', ' ')}", count, unit="")


MEASURE = Measure(
    key="h",
    title=f"{SLOTS} real trials of `hello` at once on one host",
    run=run,
    check=engine.check,
    quick=False,
    goals=(Goal(side=OURS, figure="graded", at_least=SLOTS), Goal(side=OURS, figure="wall", at_most=35)),
)
