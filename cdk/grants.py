"""Who may do what: every permission of the fleet's code stands on this page, and is given by the stacks."""

from aws_cdk import ArnFormat, Stack
from aws_cdk.aws_iam import IRole, PolicyStatement
from aws_cdk.aws_lambda import IFunction
from aws_cdk.aws_s3_assets import Asset
from aws_cdk.aws_secretsmanager import ISecret

from cdk.configuration import Configuration
from cdk.run_queue import RunQueue
from cdk.shared_files import SharedFiles
from flotilla.metrics import NAMESPACE

Queues = tuple[RunQueue, RunQueue]


def secrets_prefix(configuration: Configuration) -> str:
    """What the names of the secrets begin with that jobs may name."""
    return f"{configuration.prefix}/secrets/"


def to_api(role: IRole, *, database: ISecret, files: SharedFiles, pulse: IFunction, queues: Queues) -> None:
    """Reads and writes rows and files, wakes the pulse, and brings dead letters back. It takes no living message."""
    database.grant_read(role)
    files.grant_mount(role, files.functions)
    waking = PolicyStatement(actions=["lambda:InvokeFunction"], resources=[pulse.function_arn])
    role.add_to_principal_policy(waking)  # the grant of CDK would hold for every version and alias
    for queue in queues:
        queue.queue.grant_send_messages(role)
        queue.dead_letters.grant(role, "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage")


def to_pulse(
    role: IRole, *, configuration: Configuration, database: ISecret, files: SharedFiles, queues: Queues
) -> None:
    """Sends what waits, lays out tasks, counts, and replaces instances that never reported."""
    database.grant_read(role)
    files.grant_mount(role, files.functions)
    for queue in queues:
        queue.queue.grant_send_messages(role)
    _allow_metrics(role)
    _allow_on_group(
        role,
        configuration,
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "autoscaling:SuspendProcesses",
    )


def to_dead_letters(role: IRole, *, database: ISecret, queues: Queues) -> None:
    """Takes dead messages, and sends anew what was not meant to die. (The event source lets it receive.)"""
    database.grant_read(role)
    for queue in queues:
        queue.queue.grant_send_messages(role)
    _allow_metrics(role)


def to_migration(role: IRole, *, database: ISecret, admin_key: ISecret) -> None:
    """Changes the schema, and writes the first admin key down."""
    database.grant_read(role)
    admin_key.grant_read(role)
    admin_key.grant_write(role)


def to_group_errands(role: IRole, *, configuration: Configuration) -> None:
    """Stops zones from being rebalanced; before the end, empties the group."""
    _allow_on_group(
        role,
        configuration,
        "autoscaling:SuspendProcesses",
        "autoscaling:UpdateAutoScalingGroup",
        "autoscaling:SetInstanceProtection",
    )


def to_worker(
    role: IRole,
    *,
    configuration: Configuration,
    database: ISecret,
    files: SharedFiles,
    queues: Queues,
    runtime: Asset,
) -> None:
    """Takes runs and gives them back, runs them, and ends itself. It may not empty a queue, nor end another's group."""
    database.grant_read(role)
    _allow_named_secrets(role, configuration)
    files.grant_mount(role, files.workers)
    archive = runtime.bucket.arn_for_objects(runtime.s3_object_key)
    role.add_to_principal_policy(PolicyStatement(actions=["s3:GetObject"], resources=[archive]))  # not the whole bucket
    for queue in queues:
        queue.queue.grant_consume_messages(role)
        queue.queue.grant_send_messages(role)
    _allow_on_group(
        role,
        configuration,
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "autoscaling:RecordLifecycleActionHeartbeat",
        "autoscaling:CompleteLifecycleAction",
    )


def _allow_metrics(role: IRole) -> None:
    role.add_to_principal_policy(
        PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],  # metrics have no ARN
            conditions={"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
        )
    )


def _allow_on_group(role: IRole, configuration: Configuration, *actions: str) -> None:
    """On the stage's group alone, which is named since not everybody who needs it can refer to it."""
    group = Stack.of(role).format_arn(
        service="autoscaling",
        resource="autoScalingGroup:*:autoScalingGroupName",
        resource_name=configuration.group,
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
    role.add_to_principal_policy(PolicyStatement(actions=list(actions), resources=[group]))
    looking = PolicyStatement(actions=["autoscaling:DescribeAutoScalingGroups"], resources=["*"])  # offers no choice
    role.add_to_principal_policy(looking)


def _allow_named_secrets(role: IRole, configuration: Configuration) -> None:
    secrets = Stack.of(role).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=f"{secrets_prefix(configuration)}*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    role.add_to_principal_policy(PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[secrets]))
