"""A stage is one whole fleet under one name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.cdk.templates import Templates, synthesized

if TYPE_CHECKING:
    from cdk.stage import Stage

STACKS = {"network", "storage", "queues", "database", "api", "workers", "observability"}


def test_a_stage_has_these_stacks_and_all_of_them_carry_its_name(make_stage: "Callable[..., Stage]") -> None:
    stage = make_stage(stage="prod")
    assert stage.workers.stack_name == "flotilla-prod-workers"
    assert set(synthesized(stage).stacks) == STACKS


def test_two_stages_in_one_account_share_no_name(make_stage: "Callable[..., Stage]", templates: Templates) -> None:
    other = synthesized(make_stage(stage="other"))
    assert not _names(templates) & _names(other)


def test_the_schema_is_there_before_any_traffic_and_the_pulse_before_any_worker(
    make_stage: "Callable[..., Stage]",
) -> None:
    stage = make_stage()
    assert stage.ground.database in stage.api.dependencies
    assert stage.api in stage.workers.dependencies


def test_what_can_be_tagged_carries_the_name_of_the_stage(templates: Templates) -> None:
    tagged = [resource for resource in templates.all() if isinstance(resource.properties.get("Tags"), list)]
    assert len(tagged) > 40
    for resource in tagged:
        assert any(tag["Key"] == "flotilla:stage" and tag["Value"] == "test" for tag in resource.properties["Tags"])


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("AWS::EFS::FileSystem", "Retain"),
        ("AWS::S3::Bucket", "Retain"),
        ("AWS::RDS::DBInstance", "Snapshot"),
        ("AWS::SQS::Queue", "Delete"),
        ("AWS::Logs::LogGroup", "Delete"),
    ],
)
def test_what_cannot_be_made_again_outlives_the_stage(templates: Templates, kind: str, policy: str) -> None:
    assert {resource.whole["DeletionPolicy"] for resource in templates.of_type(kind)} == {policy}


def _names(templates: Templates) -> set[str]:
    """What resources are called that CloudFormation does not name by itself."""
    keys = [
        "QueueName",
        "AutoScalingGroupName",
        "AlarmName",
        "LaunchTemplateName",
        "DashboardName",
        "TopicName",
        "Name",
    ]
    found = [resource.properties.get(key) for resource in templates.all() for key in keys]
    return {name for name in found if isinstance(name, str)}
