"""One trial: the whole pipeline of a running stack, from the request to the result, beside `harbor trial start`."""

import time

from bench import engine, harbor_command, stack
from bench.cpu import spending
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.pipeline_split import split
from bench.stack import HELLO, Stack

OURS = "Flotilla, whole pipeline"
HARBOR = "harbor trial start"
SLOTS = 4


def run(ground: Ground) -> None:
    """Round by round one trial of each; the start of the stack is not part of any."""
    with stack.running(ground.work / "stack", slots=SLOTS) as ours:
        bundle = ours.upload()
        ours.finished(ours.order(bundle, runs=1))  # what is done once in a worker's life
        for number in range(ground.rounds_of(quick=3, full=7)):
            _whole_pipeline(ground, ours, bundle)
            _harbor(ground, number)


def _whole_pipeline(ground: Ground, ours: Stack, bundle: str) -> None:
    asked = time.time()
    with spending() as spent:
        runs = ours.finished(ours.order(bundle, runs=1))
        seen = time.time()
        ours.await_no_containers()
    ground.note(OURS, "wall", seen - asked, unit="s")
    ground.note(OURS, "CPU of the machine", spent.cpu, unit="s")
    get = ours.client.transport.get
    history, result = (get(f"/v1/runs/{runs[0]['id']}{document}") for document in ("", "/result"))
    for stretch, seconds in split(history, result, asked=asked, seen=seen).items():
        ground.note(OURS, f"of the wall: {stretch}", seconds, unit="s")


def _harbor(ground: Ground, number: int) -> None:
    with spending() as spent:
        harbor_command.start_trial(HELLO, ground.work / f"harbor-{number}")
    ground.note(HARBOR, "wall", spent.wall, unit="s")
    ground.note(HARBOR, "CPU of the machine", spent.cpu, unit="s")


MEASURE = Measure(
    key="a",
    title="one trial of `hello` by the oracle",
    run=run,
    check=engine.check,
    goals=(Goal(side=OURS, figure="wall", against=HARBOR, at_most=0.1),),
)
