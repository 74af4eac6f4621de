"""What a reader gets to see: above all that a missed goal is called missed."""

import json

from bench.figures import Figure, Goal
from bench.report import Outcome, Report, number

FIGURES = (
    Figure(side="ours", name="wall", unit="s", samples=(1.0, 3.0)),
    Figure(side="theirs", name="wall", unit="s", samples=(10.0, 10.0)),
)
MISSED = Goal(side="ours", figure="wall", against="theirs", at_most=0.1)
MET = Goal(side="ours", figure="wall", at_most=35)


def _report(*, fault: str | None = None) -> Report:
    goals = [goal.judged(FIGURES) for goal in (MISSED, MET)]
    outcome = Outcome(
        key="a", title="one trial", figures=FIGURES, goals=goals, remarks=["by hand"], seconds=1.23, fault=fault
    )
    return Report(command="python -m bench a", finished_at="now", machine={"CPU": "fast | x"}, outcomes=[outcome])


def test_the_table_has_median_range_and_rounds_of_each_side() -> None:
    assert "| ours | wall | 2 s | 1–3 | 2 |" in _report().markdown().splitlines()


def test_a_missed_goal_is_plainly_called_missed_and_a_met_one_met() -> None:
    lines = _report().markdown().splitlines()
    assert "| wall: ours / theirs | ≤ 0.1 × | 0.2 | 0.1–0.3 | **missed** |" in lines
    assert "| wall: ours | ≤ 35 | 2 | 1–3 | met |" in lines


def test_command_machine_and_remarks_are_told() -> None:
    text = _report().markdown()
    assert "`python -m bench a`" in text
    assert "- CPU: fast | x" in text
    assert "- by hand" in text


def test_a_side_that_failed_is_told_in_its_own_words() -> None:
    assert "**Not measured: no redis**" in _report(fault="no redis").markdown()


def test_the_document_is_json_and_has_every_sample() -> None:
    measure = json.loads(json.dumps(_report().document()))["measures"][0]
    assert measure["figures"][0]["samples"] == [1.0, 3.0]
    assert [goal["verdict"] for goal in measure["goals"]] == ["missed", "met"]
    assert measure["goals"][0]["measured"] == {"median": 0.2, "low": 0.1, "high": 0.3}


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (0.12345, 1.0, 12.345, 1234.5)] == ["0.123", "1", "12.3", "1,234"]
