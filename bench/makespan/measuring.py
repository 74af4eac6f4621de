"""Real trials in the sandbox through the whole stack, of realistic lengths scaled down, beside their list schedule.

A run's time is that from its lease to its end: what its trial does, and what the worker does for it before and after.
The bound is the list schedule of these times in the order in which they began. The tasks' own sleep is told beside: on
a machine of few cores hundreds of trials that begin at once wait for the processor, not for the fleet.
"""

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import stack
from bench.cpu import Spent, spending
from bench.figures import Goal
from bench.makespan import memory
from bench.makespan.schedule import Stay, idle_share, least, log_normal, makespan
from bench.measure import Ground, Measure
from bench.peak import Peak, watching
from bench.stack import HELLO, Stack, unix_seconds
from flotilla.cli.documents import Job

OURS = "Flotilla, whole pipeline"
BOUND = "list schedule of the same times"
LENGTHS = 20  # different ones, a job each
SIGMA = 0.6
LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is asked for, of whom; `median` is that of the trials' own sleep, in seconds."""

    runs: int
    workers: int
    slots: int
    median: float

    @property
    def all_slots(self) -> int:
        return self.workers * self.slots


FULL = Load(runs=1_000, workers=10, slots=60, median=100.0)
QUICK = Load(runs=200, workers=10, slots=12, median=25.0)


def run(ground: Ground) -> None:
    """One round a stack."""
    load = QUICK if ground.quick else FULL
    lengths = log_normal(median=load.median, sigma=SIGMA, count=LENGTHS)
    ground.remark(
        f"{load.runs:,} trials on {load.workers} workers of {load.slots} slots; their own sleep is log-normal, median "
        f"{load.median:.0f} s, {min(lengths):.0f} to {max(lengths):.0f} s, {LENGTHS} lengths in random order"
    )
    for number in range(ground.rounds_of(quick=1, full=1)):
        with _warm(ground.work / f"stack-{number}", load) as ours:
            _round(ground, ours, load, lengths=lengths)


@contextmanager
def _warm(directory: Path, load: Load) -> Iterator[Stack]:
    with stack.running(directory, workers=load.workers, slots=load.slots, environment="sandbox") as ours:
        ours.finished(ours.order(ours.upload(), runs=load.workers))
        yield ours


def _round(ground: Ground, ours: Stack, load: Load, *, lengths: Sequence[float]) -> None:
    order = list(lengths)
    random.Random(0).shuffle(order)  # noqa: S311 - it is to repeat itself
    bundles = [ours.upload(_task(ground.work / f"task-{number}", seconds)) for number, seconds in enumerate(order)]
    look = partial(memory.look, ours.pid)
    with watching(look, every=memory.LOOK_SECONDS) as peak, spending() as spent:
        asked = time.time()
        jobs = [ours.order(bundle, runs=load.runs // LENGTHS) for bundle in bundles]
        stays = [stay for job in jobs for stay in _stays(ours, job)]
    stays.sort(key=lambda stay: stay.began)
    _note(ground, stays, load, asked=asked, slept=sum(order) / LENGTHS)
    _note_cost(ground, load, peak, spent)


def _stays(ours: Stack, job: Job) -> list[Stay]:
    runs = ours.finished(job, seconds=LONGEST_SECONDS)
    return [
        Stay(
            worker=ours.client.run(run["id"])["trials"][-1]["worker"],
            began=unix_seconds(run["started_at"] or ""),
            ended=unix_seconds(run["finished_at"] or ""),
        )
        for run in runs
    ]


def _note(ground: Ground, stays: Sequence[Stay], load: Load, *, asked: float, slept: float) -> None:
    times = [stay.seconds for stay in stays]
    ground.note(OURS, "makespan", max(stay.ended for stay in stays) - asked, unit="s")
    ground.note(BOUND, "makespan", makespan(times, slots=load.all_slots), unit="s")
    ground.note("no order of them is below", "makespan", least(times, slots=load.all_slots), unit="s")
    ground.note(OURS, "idle slot time while runs waited", 100 * idle_share(stays, slots=load.all_slots), unit="%")
    ground.note(OURS, "mean time in a slot beyond the trial's sleep", sum(times) / len(times) - slept, unit="s")
    ground.note(OURS, "workers that took part", len({stay.worker for stay in stays}), unit="")


def _note_cost(ground: Ground, load: Load, peak: Peak, spent: Spent) -> None:
    ground.note(OURS, "CPU of the machine a trial", spent.cpu / load.runs, unit="s")
    ground.note(OURS, "CPU of the machine, cores busy", spent.cpu / spent.wall, unit="")
    ground.note(OURS, "peak memory of the stack (PSS)", peak.counts["octets"] / (1 << 20), unit="MiB")
    ground.note(OURS, "most processes of the stack", peak.counts["processes"], unit="")


def _task(directory: Path, seconds: float) -> Path:
    """The example task, with an agent that works for so long."""
    shutil.copytree(HELLO, directory, dirs_exist_ok=True)
    solution = directory / "solution" / "solve.sh"
    solution.write_text(f"{solution.read_text()}sleep {seconds:.2f}\n")
    settings = directory / "task.toml"
    settings.write_text(settings.read_text().replace("timeout_sec = 30", f"timeout_sec = {LONGEST_SECONDS:.0f}"))
    return directory


MEASURE = Measure(
    key="c",
    title="many trials of realistic lengths on a whole fleet",
    run=run,
    quick=False,
    goals=(Goal(side=OURS, figure="makespan", against=BOUND, at_most=1.05),),
)
