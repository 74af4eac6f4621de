"""The alarm and the policy as they are deployed: run against the same stories as the policy object they come from."""

import pytest

from tests.cdk.templates import Json, Templates
from tests.flotilla.alarm_model import Band, Rule
from tests.flotilla.scaling_stories import STORIES, check

MOST_STEPS = 20  # that a step scaling policy takes


@pytest.fixture(scope="session")
def alarm(templates: Templates) -> Json:
    """The alarm that drives scale-out."""
    return templates.named("AWS::CloudWatch::Alarm", "ScaleOutShortfall").properties


@pytest.fixture(scope="session")
def policy(templates: Templates, alarm: Json) -> Json:
    """The policy that this alarm triggers, and nothing beside it."""
    (action,) = alarm["AlarmActions"]
    return templates.named("AWS::AutoScaling::ScalingPolicy", action["Ref"]).properties


@pytest.fixture(scope="session")
def rule(alarm: Json, policy: Json) -> Rule:
    """What both together say, as the model of CloudWatch takes it."""
    return Rule(
        statistic=alarm["Statistic"],
        threshold=alarm["Threshold"],
        period_seconds=alarm["Period"],
        evaluation_periods=alarm["EvaluationPeriods"],
        datapoints_to_alarm=alarm["DatapointsToAlarm"],
        missing_data=alarm["TreatMissingData"],
        warmup_seconds=policy.get("EstimatedInstanceWarmup"),
        bands=tuple(
            Band(
                lower=step.get("MetricIntervalLowerBound", float("-inf")),
                upper=step.get("MetricIntervalUpperBound"),
                add=step["ScalingAdjustment"],
            )
            for step in policy["StepAdjustments"]
        ),
    )


@pytest.mark.parametrize("name", STORIES)
def test_the_deployed_rule_reaches_what_is_needed_and_never_asks_for_more(rule: Rule, name: str) -> None:
    check(STORIES[name], rule)


def test_the_alarm_is_on_the_shortfall_of_this_stage_alone(alarm: Json) -> None:
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Flotilla", "Shortfall")
    assert alarm["Dimensions"] == [{"Name": "Stage", "Value": "test"}]


def test_the_alarm_looks_every_ten_seconds_at_the_most_that_was_short(alarm: Json) -> None:
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (10, 1, 1)
    assert alarm["Statistic"] == "Maximum"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert alarm["TreatMissingData"] == "notBreaching"


def test_the_policy_adds_what_is_short_at_once(policy: Json) -> None:
    assert (policy["PolicyType"], policy["AdjustmentType"]) == ("StepScaling", "ChangeInCapacity")
    assert policy["EstimatedInstanceWarmup"] == 0
    assert policy["AutoScalingGroupName"] == "flotilla-test-workers"
    assert len(policy["StepAdjustments"]) <= MOST_STEPS


@pytest.mark.parametrize("short", [*range(1, 40), 63, 64, 65, 300])
def test_a_shortfall_adds_itself_up_to_fifteen_and_then_at_least_half_of_itself(rule: Rule, short: int) -> None:
    (band,) = [band for band in rule.bands if band.holds(short - rule.threshold)]
    assert band.add == short if short <= 15 else short / 2 < band.add <= short


def test_the_queues_age_adds_workers_only_while_the_pulse_is_silent(templates: Templates) -> None:
    backup = templates.named("AWS::CloudWatch::Alarm", "ScaleOutOldMessages").properties
    queries = {query["Id"]: query for query in backup["Metrics"]}
    assert queries["age"]["Expression"] == "IF(FILL(beats, 0) > 0, 0, MAX([FILL(age0, 0), FILL(age1, 0)]))"
    beats = queries["beats"]["MetricStat"]
    assert (beats["Metric"]["Namespace"], beats["Metric"]["MetricName"]) == ("Flotilla", "Waiting")
    assert beats["Stat"] == "SampleCount"
    for name in ("age0", "age1"):
        assert queries[name]["MetricStat"]["Stat"] == "Maximum"
        assert queries[name]["MetricStat"]["Metric"]["MetricName"] == "ApproximateAgeOfOldestMessage"
    assert backup["TreatMissingData"] == "notBreaching"
    (action,) = backup["AlarmActions"]
    (step,) = templates.named("AWS::AutoScaling::ScalingPolicy", action["Ref"]).properties["StepAdjustments"]
    assert step == {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}


def test_nothing_but_workers_themselves_makes_the_group_smaller(templates: Templates) -> None:
    for policy in templates.of_type("AWS::AutoScaling::ScalingPolicy"):
        assert policy.properties["PolicyType"] == "StepScaling"
        assert all(step["ScalingAdjustment"] > 0 for step in policy.properties["StepAdjustments"])
    assert not templates.of_type("AWS::AutoScaling::ScheduledAction")
