"""A job of ten thousand runs: how soon it is accepted, its last message is on the queue, and its rest is cancelled."""

import time

from bench import stack
from bench.cpu import spending
from bench.faults import BenchFault
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.stack import Stack

OURS = "Flotilla"
RUNS = 10_000
LOOK_SECONDS = 0.1
MOST_SECONDS = 120.0


def run(ground: Ground) -> None:
    """A stack a round: the messages of a cancelled job are work for the next one's worker."""
    for number in range(ground.rounds_of(quick=2, full=3)):
        with stack.running(ground.work / f"stack-{number}", slots=1, environment="sandbox") as ours:
            _fan_out(ground, ours, ours.upload())


def _fan_out(ground: Ground, ours: Stack, bundle: str) -> None:
    with spending() as spent:
        asked = time.monotonic()
        job = ours.order(bundle, runs=RUNS)
        answered = time.monotonic()
        while (seen := ours.client.job(job["id"])["counts"])["pending"]:
            if time.monotonic() - asked > MOST_SECONDS:
                raise BenchFault(f"not all runs were queued within {MOST_SECONDS:.0f} s: {seen}")
            time.sleep(LOOK_SECONDS)
        queued = time.monotonic()
    ground.note(OURS, "answer", answered - asked, unit="s")
    ground.note(OURS, "all queued", queued - asked, unit="s")
    ground.note(OURS, "CPU of the machine until then", spent.cpu, unit="s")
    asked = time.monotonic()
    ours.client.cancel_job(job["id"])
    ground.note(OURS, "answer to its cancellation", time.monotonic() - asked, unit="s")


MEASURE = Measure(
    key="e",
    title=f"a job of {RUNS:,} runs is accepted and sent",
    run=run,
    goals=(
        Goal(side=OURS, figure="answer", at_most=1.0),
        Goal(side=OURS, figure="all queued", at_most=30.0),
    ),
)
