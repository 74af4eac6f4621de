"""Medians, ranges and verdicts."""

import pytest

from bench.figures import Figure, Goal, Spread, Verdict


def _figure(side: str, *samples: float, name: str = "wall") -> Figure:
    return Figure(side=side, name=name, unit="s", samples=samples)


FIGURES = (_figure("ours", 1.0, 2.0, 1.5), _figure("theirs", 10.0, 40.0, 15.0))


def test_a_spread_is_the_median_and_the_outermost_samples() -> None:
    assert Spread.of((3.0, 1.0, 2.0, 10.0)) == Spread(median=2.5, low=1.0, high=10.0)


def test_a_ratio_is_taken_round_by_round() -> None:
    judged = Goal(side="ours", figure="wall", against="theirs", at_most=0.1).judged(FIGURES)
    assert judged.spread == Spread(median=0.1, low=0.05, high=0.1)


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal(side="ours", figure="wall", at_most=1.5), Verdict.MET),
        (Goal(side="ours", figure="wall", at_most=1.49), Verdict.MISSED),
        (Goal(side="ours", figure="wall", at_least=1.5), Verdict.MET),
        (Goal(side="ours", figure="wall", at_least=1.51), Verdict.MISSED),
        (Goal(side="ours", figure="wall", against="theirs", at_most=0.1), Verdict.MET),
        (Goal(side="ours", figure="wall", against="theirs", at_most=0.09), Verdict.MISSED),
        (Goal(side="theirs", figure="wall", against="ours", at_least=11), Verdict.MISSED),
        (Goal(side="ours", figure="CPU", at_most=1), Verdict.NOT_MEASURED),
        (Goal(side="ours", figure="wall", against="nobody", at_most=1), Verdict.NOT_MEASURED),
    ],
)
def test_a_goal_holds_for_the_median(goal: Goal, verdict: Verdict) -> None:
    assert goal.judged(FIGURES).verdict is verdict


def test_a_ratio_of_sides_with_unlike_rounds_is_refused() -> None:
    figures = (_figure("ours", 1.0), _figure("theirs", 1.0, 2.0))
    with pytest.raises(ValueError, match="zip"):
        Goal(side="ours", figure="wall", against="theirs", at_most=1).judged(figures)


@pytest.mark.parametrize(("at_most", "at_least"), [(None, None), (1.0, 1.0)])
def test_a_goal_has_one_bound(at_most: float | None, at_least: float | None) -> None:
    with pytest.raises(ValueError, match="at_most or at_least"):
        Goal(side="ours", figure="wall", at_most=at_most, at_least=at_least)
