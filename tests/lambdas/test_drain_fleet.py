"""The resource beside the group: it keeps zones from being rebalanced, and empties the group before it is deleted."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from flotilla.worker_group import WorkerGroup
from lambdas import drain_fleet as function
from tests.answers import Answers, answers
from tests.aws_group import AwsGroup


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as taken:
        yield taken


@pytest.fixture
def environment(aws_environment: pytest.MonkeyPatch, group: AwsGroup) -> pytest.MonkeyPatch:
    aws_environment.setenv("FLOTILLA_GROUP", group.name)
    return aws_environment


@dataclass
class Context:
    """What Lambda tells of the time that is left."""

    milliseconds: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_making_it_keeps_zones_and_touches_no_worker(
    environment: pytest.MonkeyPatch, group: AwsGroup, cloudformation: Answers, kind: str
) -> None:
    instances = group.grow(2)
    function.handler(cloudformation.request(kind), Context())
    assert cloudformation.seen[0]["Status"] == "SUCCESS"
    assert group.suspended() == {"AZRebalance"}
    assert group.instances() == instances


def test_deleting_an_empty_group_is_done_at_once(
    environment: pytest.MonkeyPatch, group: AwsGroup, cloudformation: Answers
) -> None:
    function.handler(cloudformation.request("Delete"), Context())
    assert cloudformation.seen[0]["Reason"] == "no worker is left"
    assert group.suspended() == {"Launch"}


def test_workers_that_are_not_done_in_time_are_told_of_and_unprotected(
    environment: pytest.MonkeyPatch, group: AwsGroup, cloudformation: Answers
) -> None:
    group.grow(2)
    function.handler(cloudformation.request("Delete"), Context(milliseconds=1_000))
    (seen,) = cloudformation.seen
    assert seen["Status"] == "SUCCESS"
    assert "2 workers still finish" in seen["Reason"]
    state = group.look()
    assert (state["MinSize"], state["DesiredCapacity"]) == (0, 0)
    assert not any(instance["ProtectedFromScaleIn"] for instance in state["Instances"])


def test_it_waits_until_the_last_worker_is_gone(group: AwsGroup) -> None:
    instances = group.grow(2)

    def leave(_: float) -> None:
        group.client.terminate_instance_in_auto_scaling_group(
            InstanceId=instances.pop(), ShouldDecrementDesiredCapacity=False
        )

    said = function.drain(WorkerGroup(group.client, name=group.name), seconds_left=lambda: 900, sleep=leave)
    assert (said, group.instances()) == ("no worker is left", [])


def test_a_group_that_is_gone_is_drained(environment: pytest.MonkeyPatch, cloudformation: Answers) -> None:
    environment.setenv("FLOTILLA_GROUP", "gone")
    function.handler(cloudformation.request("Delete"), Context())
    assert cloudformation.seen[0]["Status"] == "SUCCESS"


def test_a_group_that_is_not_there_yet_is_a_failure(environment: pytest.MonkeyPatch, cloudformation: Answers) -> None:
    environment.setenv("FLOTILLA_GROUP", "gone")
    function.handler(cloudformation.request("Create"), Context())
    (seen,) = cloudformation.seen
    assert (seen["Status"], "gone" in seen["Reason"]) == ("FAILED", True)
