"""How an instance leaves the group: on a model of its lifecycle, with what others do between a look and the act."""

from collections.abc import Callable

import pytest

from flotilla.scaling import Departure
from flotilla.worker_group import LeaveRefused, NoLifecycleAction, WorkerGroup
from tests.auto_scaling import HOOK, NAME, AutoScaling


@pytest.fixture
def aws() -> AutoScaling:
    return AutoScaling(least=1, desired=3)


@pytest.fixture
def group(aws: AutoScaling) -> WorkerGroup:
    return WorkerGroup(aws.client, name=NAME)


def test_who_leaves_lowers_the_group_by_one(aws: AutoScaling, group: WorkerGroup) -> None:
    group.leave("i-2", Departure.LOWERING)
    seen = group.look()
    assert (seen.desired, seen.instances, seen.leaving) == (2, ("i-1", "i-3"), ("i-2",))


def test_who_leaves_in_place_is_replaced(aws: AutoScaling, group: WorkerGroup) -> None:
    group.leave("i-2", Departure.IN_PLACE)
    seen = group.look()
    assert (seen.desired, seen.instances) == (3, ("i-1", "i-3", "i-4"))


def test_at_the_minimum_nobody_leaves(aws: AutoScaling, group: WorkerGroup) -> None:
    aws.desired = 1
    with pytest.raises(LeaveRefused, match="minSize"):
        group.leave("i-1", Departure.LOWERING)
    assert (aws.desired, aws.terminating()) == (1, [])


@pytest.mark.parametrize(
    "already",
    [lambda aws: aws.begin_termination("i-1"), lambda aws: aws.vanish("i-1")],
    ids=["it terminates already", "it is gone"],
)
def test_leaving_is_no_fault_of_one_that(
    already: Callable[[AutoScaling], None], aws: AutoScaling, group: WorkerGroup
) -> None:
    already(aws)
    group.leave("i-1", Departure.LOWERING)
    assert aws.desired == 3


def test_a_group_that_is_not_there_any_more_refuses_nothing_in_silence(aws: AutoScaling) -> None:
    with pytest.raises(Exception, match="no-such-group"):
        WorkerGroup(aws.client, name="no-such-group").leave("i-77", Departure.LOWERING)


def test_a_hook_waits_as_long_as_it_hears_of_the_instance(aws: AutoScaling, group: WorkerGroup) -> None:
    group.leave("i-1", Departure.LOWERING)
    for _ in range(3):
        aws.pass_time(200)
        group.heartbeat("i-1", hook=HOOK)
    assert aws.terminating() == ["i-1"]
    group.complete("i-1", hook=HOOK)
    assert (aws.terminating(), aws.gone) == ([], ["i-1"])


def test_a_hook_that_hears_nothing_lets_the_instance_go(aws: AutoScaling, group: WorkerGroup) -> None:
    group.leave("i-1", Departure.LOWERING)
    aws.pass_time(301)
    assert aws.gone == ["i-1"]
    for answer in (group.heartbeat, group.complete):
        with pytest.raises(NoLifecycleAction, match="No active Lifecycle Action"):
            answer("i-1", hook=HOOK)


def test_an_instance_of_an_older_template_is_outdated(aws: AutoScaling, group: WorkerGroup) -> None:
    aws.version = "2"
    aws.grow(4)
    assert group.look().outdated == ("i-1", "i-2", "i-3")


def test_a_group_that_follows_the_latest_template_does_not_say_who_is_outdated(
    aws: AutoScaling, group: WorkerGroup
) -> None:
    aws.version = "$Latest"
    assert group.look().outdated == ()
