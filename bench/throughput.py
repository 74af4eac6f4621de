"""Many trials at once, by Flotilla's whole pipeline, by `harbor run -n`, by the old way, and what the engine allows."""

from dataclasses import dataclass
from pathlib import Path

from bench import engine, engine_alone, harbor_command, stack
from bench.cpu import Spent, spending, tree_seconds
from bench.faults import BenchFault
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.old_way import running as old_way
from bench.stack import HELLO

OURS = "Flotilla, whole pipeline"
HARBOR = "harbor run -n"
OLD_WAY = "Celery, a harbor run each"
ENGINE = "the engine alone"
WALL, CPU, RATE = "wall", "CPU of the machine", "runs an hour"
OWN_CPU = "of the CPU: Flotilla's own processes, PostgreSQL included"
HOUR = 3600.0
STOCK_NETWORKS = 30  # an engine whose daemon.json says nothing has room for so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many runs, so many at once."""

    runs: int
    slots: int
    rounds: int

    def measure(self, ground: Ground) -> None:
        """The sides in turn; none has a process left when the next one is timed.

        Another way whose runs are not all graded 1.0 has no figure, and is not asked again.
        """
        if self.slots > STOCK_NETWORKS:
            ground.remark(
                f"Harbor takes a network a trial, and an engine as it comes has {STOCK_NETWORKS}: "
                "`harbor run` and the old way get this far only by the address pools of this engine"
            )
        others = {HARBOR: self._harbor, OLD_WAY: self._old_way}
        for number in range(ground.rounds_of(quick=1, full=self.rounds)):
            self._ours(ground, ground.work / f"stack-{number}")
            with spending() as spent:
                engine_alone.run(runs=self.runs, at_once=self.slots)
            self._note(ground, ENGINE, spent)
            for side, run in list(others.items()):
                try:
                    self._note(ground, side, run(ground.work / f"{run.__name__.strip('_')}-{number}"))
                except BenchFault as fault:  # so many at once may be more than another way can do
                    ground.forget(side)
                    ground.remark(f"no figure for {side}: {fault}")
                    del others[side]

    def _ours(self, ground: Ground, directory: Path) -> None:
        with stack.running(directory, slots=self.slots) as ours:
            bundle = ours.upload()
            ours.finished(ours.order(bundle, runs=1))  # what is done once in a worker's life
            ours.await_no_containers()
            own_before = tree_seconds(ours.pid)
            with spending() as spent:
                ours.finished(ours.order(bundle, runs=self.runs))
                ours.await_no_containers()
            self._note(ground, OURS, spent)
            ground.note(OURS, OWN_CPU, tree_seconds(ours.pid) - own_before, unit="s")

    def _harbor(self, out: Path) -> Spent:
        with spending() as spent:
            harbor_command.run_job(HELLO, out, runs=self.runs, at_once=self.slots)
        return spent

    def _old_way(self, out: Path) -> Spent:
        commands = [harbor_command.job_command(HELLO, out / str(run), runs=1, at_once=1) for run in range(self.runs)]
        with old_way.running(out, processes=self.slots, variables=harbor_command.OFFLINE) as celery:
            with spending() as spent:
                orders = [[command, str(out / f"{run}.log")] for run, command in enumerate(commands)]
                codes = celery.ask("run_command", orders)["answers"]
            if any(codes):
                said = (out / f"{next(run for run, code in enumerate(codes) if code)}.log").read_text()
                raise BenchFault(f"{sum(map(bool, codes))} of {self.runs} `harbor run` failed:\n{said[-1000:]}")
        harbor_command.check_graded(out.glob("*/*/*/result.json"), runs=self.runs)
        return spent

    def _note(self, ground: Ground, side: str, spent: Spent) -> None:
        ground.note(side, WALL, spent.wall, unit="s")
        ground.note(side, RATE, self.runs * HOUR / spent.wall, unit="")
        ground.note(side, CPU, spent.cpu, unit="s")


AGAINST_OTHERS = (
    Goal(side=OURS, figure=RATE, against=HARBOR, at_least=5),
    Goal(side=OURS, figure=RATE, against=OLD_WAY, at_least=6),
    Goal(side=OURS, figure=CPU, against=HARBOR, at_most=0.25),
    Goal(side=OURS, figure=CPU, against=OLD_WAY, at_most=0.25),
)
AGAINST_THE_LIMIT = (Goal(side=OURS, figure=WALL, against=ENGINE, at_most=1.3),)


def _check() -> None:
    engine.check()
    old_way.check()


def _measure(load: Load, *, quick: bool, goals: tuple[Goal, ...]) -> Measure:
    return Measure(
        key=f"b{load.slots}",
        title=f"{load.runs} trials of `hello`, {load.slots} at once",
        run=load.measure,
        check=_check,
        quick=quick,
        goals=goals,
    )


MEASURES = (
    _measure(Load(runs=16, slots=8, rounds=3), quick=True, goals=(*AGAINST_OTHERS, *AGAINST_THE_LIMIT)),
    _measure(Load(runs=16, slots=16, rounds=3), quick=False, goals=(*AGAINST_OTHERS, *AGAINST_THE_LIMIT)),
    _measure(Load(runs=32, slots=32, rounds=2), quick=False, goals=AGAINST_THE_LIMIT),
    _measure(Load(runs=60, slots=60, rounds=2), quick=False, goals=AGAINST_THE_LIMIT),
)
