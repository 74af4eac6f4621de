"""Which measures are taken, and what a side that fails does to the others."""

from pathlib import Path

import pytest

from bench.__main__ import chosen_of, main, missing_parts, taken
from bench.faults import BenchFault, MissingPart
from bench.figures import Goal, Verdict
from bench.measure import Ground, Measure
from bench.measures import ALL


def _good(ground: Ground) -> None:
    for _ in range(ground.rounds_of(quick=2, full=5)):
        ground.note("ours", "wall", 2.0, unit="s")


def _bad(ground: Ground) -> None:
    ground.note("ours", "wall", 2.0, unit="s")
    raise BenchFault("it was not graded")


def _lacking() -> None:
    raise MissingPart("redis-server is missing: apt-get install redis-server")


def _measure(key: str = "a", *, quick: bool = True) -> Measure:
    return Measure(key=key, title=key, run=_good, quick=quick, goals=(Goal(side="ours", figure="wall", at_most=1),))


def test_every_measure_has_a_key_of_its_own() -> None:
    assert len({measure.key for measure in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("keys", "quick", "chosen"),
    [
        ([], False, ["a", "b8", "b60"]),
        ([], True, ["a", "b8"]),
        (["b"], False, ["b8", "b60"]),
        (["b60"], True, ["b60"]),
        (["x"], False, []),
    ],
)
def test_measures_are_chosen_by_how_their_keys_begin(keys: list[str], quick: bool, chosen: list[str]) -> None:
    measures = [_measure("a"), _measure("b8"), _measure("b60", quick=False)]
    assert [measure.key for measure in chosen_of(measures, keys=keys, quick=quick)] == chosen


def test_a_missed_goal_is_no_fault() -> None:
    outcome = taken(_measure(), quick=True, rounds=None)
    assert outcome.fault is None
    assert [judged.verdict for judged in outcome.goals] == [Verdict.MISSED]


@pytest.mark.parametrize(("quick", "rounds", "taken_rounds"), [(True, None, 2), (False, None, 5), (True, 3, 3)])
def test_the_caller_may_choose_the_rounds(quick: bool, rounds: int | None, taken_rounds: int) -> None:
    outcome = taken(_measure(), quick=quick, rounds=rounds)
    assert len(outcome.figures[0].samples) == taken_rounds


def test_a_side_that_failed_meets_no_goal() -> None:
    measure = Measure(key="a", title="a", run=_bad, goals=(Goal(side="ours", figure="wall", at_most=5),))
    outcome = taken(measure, quick=True, rounds=None)
    assert outcome.fault == "it was not graded"
    assert outcome.goals == []


def test_what_is_missing_is_named_with_what_to_install() -> None:
    measure = Measure(key="b", title="throughput", run=_good, check=_lacking)
    assert missing_parts([measure]) == ["(b) throughput: redis-server is missing: apt-get install redis-server"]


def test_a_key_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zzz", "--out", str(tmp_path)]) == 2
    assert "there are a" in capsys.readouterr().err
