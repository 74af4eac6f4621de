"""What the deployed queues promise."""

import pytest

from tests.cdk.templates import Json, Templates

DAY = 86_400  # seconds


@pytest.fixture(scope="session")
def queues(templates: Templates) -> dict[str, Json]:
    """Each queue by its name, with `LogicalId` beside its properties."""
    return {
        queue.properties["QueueName"]: {**queue.properties, "LogicalId": queue.logical_id, "Resource": queue.whole}
        for queue in templates.of_type("AWS::SQS::Queue")
    }


def test_there_is_a_queue_for_each_priority_with_its_own_dead_letters(queues: dict[str, Json]) -> None:
    names = {"flotilla-test-runs-high", "flotilla-test-runs"}
    assert set(queues) == names | {f"{name}-dead" for name in names}
    for name in names:
        target = queues[name]["RedrivePolicy"]["deadLetterTargetArn"]
        assert target == {"Fn::GetAtt": [queues[f"{name}-dead"]["LogicalId"], "Arn"]}


@pytest.mark.parametrize("name", ["flotilla-test-runs-high", "flotilla-test-runs"])
def test_a_message_may_come_back_a_thousand_times_before_it_counts_as_dead(queues: dict[str, Json], name: str) -> None:
    assert queues[name]["RedrivePolicy"]["maxReceiveCount"] == 1000


@pytest.mark.parametrize("name", ["flotilla-test-runs-high", "flotilla-test-runs"])
def test_a_message_stays_hidden_for_one_lease_and_dies_later_than_it_is_forgotten(
    queues: dict[str, Json], name: str
) -> None:
    assert queues[name]["VisibilityTimeout"] == 90
    assert queues[name]["MessageRetentionPeriod"] == 4 * DAY
    assert queues[f"{name}-dead"]["MessageRetentionPeriod"] == 14 * DAY


def test_every_queue_is_polled_long_encrypted_and_removed_with_its_stack(queues: dict[str, Json]) -> None:
    for queue in queues.values():
        assert queue["ReceiveMessageWaitTimeSeconds"] == 20
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["Resource"]["DeletionPolicy"] == "Delete"


def test_every_queue_refuses_what_does_not_come_over_tls(templates: Templates, queues: dict[str, Json]) -> None:
    guarded = {
        target["Ref"]
        for policy in templates.of_type("AWS::SQS::QueuePolicy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for target in policy.properties["Queues"]
    }
    assert guarded == {queue["LogicalId"] for queue in queues.values()}


def test_a_dead_letter_stays_hidden_for_longer_than_its_function_may_take(
    templates: Templates, queues: dict[str, Json]
) -> None:
    timeout = templates.named("AWS::Lambda::Function", "DeadLettersFunction").properties["Timeout"]
    for name in ("flotilla-test-runs-high-dead", "flotilla-test-runs-dead"):
        assert queues[name]["VisibilityTimeout"] >= 6 * timeout


def test_every_queue_carries_the_name_of_its_stage(queues: dict[str, Json]) -> None:
    for queue in queues.values():
        assert {"Key": "flotilla:stage", "Value": "test"} in queue["Tags"]
