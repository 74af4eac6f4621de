"""What a slot costs: memory of ours with sixty trials alive, our CPU a trial, how soon an order is a process."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import engine, stack, waiting
from bench.cpu import process_seconds, spending, tree_seconds
from bench.faults import BenchFault, MissingPart
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.worker_processes import WorkerProcesses, pss_megabytes
from flotilla.local.children import SOURCE
from worker_agent.environments import Chosen
from worker_agent.settings import Wanted
from worker_agent.trial import PRELOADED, REHEARSAL
from worker_agent.trial_processes import Order, TrialProcesses

SLOTS = 60
FORKS = 40
ALIVE_SECONDS = 240.0
LOOK_SECONDS = 0.25
SIDES = {Wanted.DOCKER: "Flotilla in Docker", Wanted.SANDBOX: "Flotilla in the sandbox"}
PSS = "PSS of ours a slot"
CLIENTS = "engine command lines beside the trials"
WAITING_SECONDS = 900


def run(ground: Ground) -> None:
    """In Docker where an engine answers, and in the sandbox beside it."""
    for environment, side in SIDES.items():
        if environment is Wanted.DOCKER and (fault := _missing_engine()):
            ground.remark(f"not in Docker: {fault}")
            continue
        with stack.running(ground.work / environment.value, slots=SLOTS, environment=environment.value) as ours:
            bundle = ours.upload()
            ours.finished(ours.order(bundle, runs=1))  # what is done once in a worker's life
            for number in range(ground.rounds_of(quick=1, full=3)):
                _cpu(ground, ours, bundle, side=side, runs=16 if ground.quick else SLOTS)
                task = waiting.write(ground.work / f"{environment.value}-{number}", seconds=WAITING_SECONDS)
                _memory(ground, ours, side=side, task=task)
        _fork(ground, side=side, chosen=Chosen(name=environment, reason="it is measured"))


def _missing_engine() -> str | None:
    try:
        engine.check()
    except MissingPart as fault:
        return str(fault)
    return None


def _cpu(ground: Ground, ours: stack.Stack, bundle: str, *, side: str, runs: int) -> None:
    worker = WorkerProcesses.of(ours.pid)
    before = process_seconds(worker.supervisor), tree_seconds(worker.nursery), tree_seconds(ours.pid)
    with spending() as spent:
        ours.finished(ours.order(bundle, runs=runs))
    after = process_seconds(worker.supervisor), tree_seconds(worker.nursery), tree_seconds(ours.pid)
    supervisor, trials, all_parts = (late - early for late, early in zip(after, before, strict=True))
    for name, seconds in (
        ("the machine's", spent.cpu),
        ("its own process and what it starts", trials),
        ("the supervisor", supervisor),
        ("API, database, queue and pulse", all_parts - trials - supervisor),
    ):
        ground.note(side, f"CPU a trial: {name}", seconds / runs, unit="s")


def _memory(ground: Ground, ours: stack.Stack, *, side: str, task: Path) -> None:
    job = ours.order(ours.upload(task), runs=SLOTS)
    logs = f"jobs/{job['id']}/*/*/agent/oracle.txt"
    _await(
        lambda: sum(1 for _ in (ours.directory / "shared").glob(logs)) == SLOTS,
        f"{SLOTS} trials alive, each with its agent at work",
    )
    worker = WorkerProcesses.of(ours.pid)
    trials = [pss_megabytes(pid) for pid in worker.trials]
    if len(trials) != SLOTS:
        raise BenchFault(f"of {SLOTS} trials {len(trials)} have a process")
    supervisor, nursery = pss_megabytes(worker.supervisor), pss_megabytes(worker.nursery)
    ground.note(side, PSS, (sum(trials) + nursery + supervisor) / SLOTS, unit="MB")
    ground.note(side, "of it: the trial's process", statistics.median(trials), unit="MB")
    ground.note(side, "of it: the fork server, a sixtieth", nursery / SLOTS, unit="MB")
    ground.note(side, "of it: the supervisor, a sixtieth", supervisor / SLOTS, unit="MB")
    ground.note(side, CLIENTS, worker.engine_clients, unit="")
    ours.client.cancel_job(job["id"])
    _await(lambda: not WorkerProcesses.of(ours.pid).trials, "the end of what was cancelled")
    ours.await_no_containers()


def _await(happened: Callable[[], bool], event: str) -> None:
    deadline = time.monotonic() + ALIVE_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise BenchFault(f"not within {ALIVE_SECONDS:.0f} s: {event}")
        time.sleep(LOOK_SECONDS)


def _fork(ground: Ground, *, side: str, chosen: Chosen) -> None:
    with tempfile.TemporaryDirectory(dir=ground.work) as place:
        for seconds in asyncio.run(_order_to_entry(Path(place), chosen)):
            ground.note(side, "order to first instruction of the trial", seconds * 1000, unit="ms")


async def _order_to_entry(place: Path, chosen: Chosen) -> list[float]:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)}
    processes = await TrialProcesses.open(
        scratch=place, modules=[*PRELOADED, *chosen.modules, __name__], environment=variables, rehearsal=REHEARSAL
    )
    try:
        return [await _first_instruction(processes, place / str(number), variables) for number in range(FORKS)]
    finally:
        await processes.close()


async def _first_instruction(processes: TrialProcesses, place: Path, variables: dict[str, str]) -> float:
    place.mkdir()  # noqa: ASYNC240 - nothing else goes on in this loop
    order = Order(
        id=place.name,
        entry=f"{__name__}:tell_moment",
        arguments={"target": str(place / "moment")},
        environment=variables,
        log=place / "log",
    )
    asked = time.monotonic()
    if code := await (await processes.start(order)).ended:
        raise BenchFault(f"a forked process ended with {code}: {(place / 'log').read_text()}")
    return float((place / "moment").read_text()) - asked


def tell_moment(target: str) -> int:
    """What the forked processes do: the clock is the machine's, so both sides of the fork can read it."""
    moment = time.monotonic()
    Path(target).write_text(repr(moment), encoding="ascii")
    return 0


MEASURE = Measure(
    key="g",
    title=f"what a slot costs, with {SLOTS} trials alive on one worker",
    run=run,
    goals=tuple(
        goal
        for side in SIDES.values()
        for goal in (Goal(side=side, figure=PSS, at_most=10), Goal(side=side, figure=CLIENTS, at_most=0))
    ),
)
