"""The loop closed: pulse, alarm, policy and a model of the group. What is needed is reached, never more, nor twice."""

from dataclasses import replace

import pytest

from flotilla.booting import FAILED_IN_A_ROW
from flotilla.scaling import SCALE_OUT
from tests.flotilla.alarm_model import Rule
from tests.flotilla.scaling_stories import STORIES, Story, check

RULE = Rule.of(SCALE_OUT)


@pytest.mark.parametrize("name", STORIES)
def test_the_policy_reaches_what_is_needed_and_never_asks_for_more(name: str) -> None:
    check(STORIES[name], RULE)


def test_a_launch_loop_ends_after_a_few_machines() -> None:
    model = check(STORIES["boots that all fail"], RULE)
    assert model.suspended
    assert model.launches <= FAILED_IN_A_ROW + 1  # two start together


WRONG = {
    "a sum of a minute's datapoints": replace(RULE, statistic="Sum", period_seconds=60),
    "a period of a minute": replace(RULE, period_seconds=60),
    "no warm-up stated": replace(RULE, warmup_seconds=None),
    "three periods to alarm": replace(RULE, evaluation_periods=3, datapoints_to_alarm=3),
    "a threshold of two": replace(RULE, threshold=2),
    "a step bound off by one": replace(RULE, bands=(*RULE.bands[:1], replace(RULE.bands[1], lower=0), *RULE.bands[2:])),
    "steps one too large": replace(RULE, bands=tuple(replace(band, add=band.add + 1) for band in RULE.bands)),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_model_tells_a_wrong_rule_from_the_right_one(name: str) -> None:
    assert not all(_holds(story, WRONG[name]) for story in STORIES.values())


def _holds(story: Story, rule: Rule) -> bool:
    try:
        check(story, rule)
    except AssertionError:
        return False
    return True
