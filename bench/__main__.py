"""`python -m bench [KEY …] [--quick] [--out DIR]`: measures, prints the table, writes it and the JSON beside it."""

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.faults import BenchFault
from bench.measure import Ground, Measure
from bench.measures import ALL
from bench.report import Outcome, Report

OUT = Path(__file__).parent / "results"
SHORT = "/tmp"  # noqa: S108 - a fresh directory in it, whose path has room for the names of sockets


def main(arguments: Sequence[str]) -> int:
    """0 if all was measured, whatever the goals say; 1 if a side failed; 2 if something has to be installed first."""
    asked = _parser().parse_args(arguments)
    chosen = chosen_of(ALL, keys=asked.keys, quick=asked.quick)
    if not chosen:
        _say(f"no measure has a key that begins like that: there are {', '.join(measure.key for measure in ALL)}")
        return 2
    if missing := missing_parts(chosen):
        _say("\n".join(missing))
        return 2
    outcomes: list[Outcome] = []
    facts = machine.facts()  # before: its load is that of others
    for measure in chosen:
        outcomes.append(taken(measure, quick=asked.quick, rounds=asked.rounds))
        report = _report(arguments, outcomes, facts=facts)
        _write(asked.out, report)  # after each: an interrupted run keeps what it has
    _print(report.markdown())
    return 1 if any(outcome.fault for outcome in outcomes) else 0


def chosen_of(measures: Sequence[Measure], *, keys: Sequence[str], quick: bool) -> list[Measure]:
    """Those whose key begins with one of the keys; without keys all, or all that are quick."""
    if keys:
        return [measure for measure in measures if any(measure.key.startswith(key) for key in keys)]
    return [measure for measure in measures if measure.quick or not quick]


def missing_parts(measures: Sequence[Measure]) -> list[str]:
    """What has to be installed, a sentence each."""
    missing = []
    for measure in measures:
        try:
            measure.check()
        except BenchFault as fault:
            missing.append(f"({measure.key}) {measure.title}: {fault}")
    return missing


def taken(measure: Measure, *, quick: bool, rounds: int | None) -> Outcome:
    """Takes one measure; a side that fails is a fault of its outcome, and the others go on."""
    _say(f"({measure.key}) {measure.title}")
    started, fault = time.monotonic(), None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=SHORT, ignore_cleanup_errors=True) as work:
        ground = Ground(quick=quick, work=Path(work), rounds=rounds, say=lambda line: _say(f"    {line}"))
        try:
            measure.run(ground)
        except BenchFault as raised:
            fault = str(raised)
            _say(f"    not measured: {fault}")
    return Outcome(
        key=measure.key,
        title=measure.title,
        figures=ground.figures,
        goals=[goal.judged(ground.figures) for goal in measure.goals] if fault is None else [],
        remarks=ground.remarks,
        seconds=time.monotonic() - started,
        fault=fault,
    )


def _report(arguments: Sequence[str], outcomes: Sequence[Outcome], *, facts: Mapping[str, str]) -> Report:
    command = shlex.join(["python", "-m", "bench", *arguments])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(command=command, finished_at=now, machine=facts, outcomes=tuple(outcomes))


def _write(directory: Path, report: Report) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
    (directory / "results.md").write_text(report.markdown())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures Flotilla beside other ways.")
    parser.add_argument("keys", nargs="*", metavar="KEY", help=f"any of {' '.join(measure.key for measure in ALL)}")
    parser.add_argument("--quick", action="store_true", help="the shorter set, with fewer rounds")
    parser.add_argument("--rounds", type=int, help="how many rounds, in place of each measure's own number")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="where results.json and results.md go")
    return parser


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is there to be read


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
