"""Who may do what."""

from typing import Any

import pytest

from tests.cdk.templates import Json, Templates, as_list

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
INTERFACES = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
SECRET = {"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"}
SEND = {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
TAKE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}
MOUNT = {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}
LOOK = {"autoscaling:DescribeAutoScalingGroups"}
METRICS = {"cloudwatch:PutMetricData"}

WITHOUT_ARN = METRICS | LOOK | INTERFACES


def test_workers_take_and_give_back_runs_and_end_themselves_and_can_do_nothing_else(templates: Templates) -> None:
    themselves = {
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "autoscaling:RecordLifecycleActionHeartbeat",
        "autoscaling:CompleteLifecycleAction",
    }
    expected = SECRET | MOUNT | {"s3:GetObject"} | TAKE | SEND | themselves | LOOK
    assert templates.actions("Role1ABCC5F0") == expected


def test_the_api_writes_rows_and_files_wakes_the_pulse_and_brings_dead_letters_back(templates: Templates) -> None:
    bring_back = SEND | {"sqs:ReceiveMessage", "sqs:DeleteMessage"}
    assert templates.actions("ApiRole") == LOGS | INTERFACES | SECRET | MOUNT | {"lambda:InvokeFunction"} | bring_back


def test_the_api_takes_dead_letters_and_no_living_message(templates: Templates) -> None:
    for statement in templates.statements("ApiRole"):
        if "sqs:ReceiveMessage" in as_list(statement["Action"]):
            assert "DeadLetters" in str(statement["Resource"])
        if "sqs:SendMessage" in as_list(statement["Action"]):
            assert "DeadLetters" not in str(statement["Resource"])


def test_the_pulse_sends_counts_and_replaces(templates: Templates) -> None:
    group = {"autoscaling:TerminateInstanceInAutoScalingGroup", "autoscaling:SuspendProcesses"}
    assert templates.actions("PulseRole") == LOGS | INTERFACES | SECRET | MOUNT | SEND | METRICS | group | LOOK


def test_dead_letters_are_taken_and_may_be_sent_anew(templates: Templates) -> None:
    assert templates.actions("DeadLettersRole") == LOGS | INTERFACES | SECRET | SEND | METRICS | TAKE


def test_the_migration_writes_the_first_key_down(templates: Templates) -> None:
    writing = {"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"}
    writing |= {"secretsmanager:UpdateSecretVersionStage"}
    assert templates.actions("MigrateRole") - writing == LOGS | INTERFACES | SECRET


def test_who_empties_the_group_neither_reads_data_nor_ends_instances(templates: Templates) -> None:
    group = {"autoscaling:SuspendProcesses", "autoscaling:UpdateAutoScalingGroup", "autoscaling:SetInstanceProtection"}
    assert templates.actions("DrainRole") == LOGS | LOOK | group


def test_no_permission_is_for_everything_where_it_could_be_for_something(templates: Templates) -> None:
    for policy in templates.of_type("AWS::IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            actions = set(as_list(statement["Action"]))
            assert not any("*" in action for action in actions)
            if "*" in as_list(statement["Resource"]):
                assert actions <= WITHOUT_ARN, f"{policy.logical_id} allows {actions} on everything"


def test_metrics_are_written_in_the_fleets_namespace_alone(templates: Templates) -> None:
    for role in ("PulseRole", "DeadLettersRole"):
        (statement,) = [one for one in templates.statements(role) if one["Action"] == "cloudwatch:PutMetricData"]
        assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Flotilla"}}


def test_no_managed_policy_gives_more_than_this_page(templates: Templates) -> None:
    for role in templates.of_type("AWS::IAM::Role"):
        assert not role.properties.get("ManagedPolicyArns")


@pytest.mark.parametrize("kind", ["AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"])
def test_queues_topics_and_buckets_refuse_what_does_not_come_over_tls(templates: Templates, kind: str) -> None:
    policies = templates.of_type(kind)
    assert policies
    for policy in policies:
        assert any(_demands_tls(statement) for statement in policy.properties["PolicyDocument"]["Statement"])


def test_the_file_system_wants_tls_and_one_of_its_doors_and_lets_nobody_in_by_itself(templates: Templates) -> None:
    system = templates.only("AWS::EFS::FileSystem").properties
    statements: list[Json] = system["FileSystemPolicy"]["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Deny"}
    assert any(_demands_tls(statement) for statement in statements)
    assert any(one["Condition"] == {"Null": {"elasticfilesystem:AccessPointArn": "true"}} for one in statements)


def test_each_side_enters_the_file_system_by_its_own_door(templates: Templates) -> None:
    doors = {role: _door(templates, role) for role in ("Role1ABCC5F0", "ApiRole", "PulseRole")}
    assert "WorkersDoor" in doors["Role1ABCC5F0"]
    assert "FunctionsDoor" in doors["ApiRole"]
    assert doors["ApiRole"] == doors["PulseRole"]


def _demands_tls(statement: Json) -> bool:
    wanted: Any = {"Bool": {"aws:SecureTransport": "false"}}
    return bool(statement["Effect"] == "Deny" and statement["Condition"] == wanted)


def _door(templates: Templates, role: str) -> str:
    (statement,) = [one for one in templates.statements(role) if set(as_list(one["Action"])) == MOUNT]
    return str(statement["Condition"]["StringEquals"]["elasticfilesystem:AccessPointArn"])
