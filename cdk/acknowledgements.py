"""What cdk-nag finds and what stays so, each with its reason; whatever else it finds stops the synth."""

from collections.abc import Iterator

from aws_cdk import Acknowledgment, Validations
from constructs import Construct

from cdk.api_stack import ApiStack
from cdk.configuration import Configuration
from cdk.fleet_function import FleetFunction
from cdk.grants import secrets_prefix
from cdk.ground import Ground
from cdk.worker_stack import WorkerStack

RUNTIME = "3.12 is what the wheels are locked for and every test runs on; it moves with the lock."
INTERFACES = "Lambda makes the function's network interfaces in its name, and they have no ARN beforehand."
DESCRIBING = "Metrics have no ARN, and DescribeAutoScalingGroups takes no resource."
GROUP = "The group's ARN holds an id that is made with it; its name, after the wildcard, is exact."
NAMED_SECRETS = "Jobs name the secrets that they need; all of them lie under this prefix, which is the stage's own."
LOGS = "Access is seen in CloudTrail; a bucket of logs beside one of archives would cost more than it tells."
ROTATION = "No person sees the password; a rotation would cut off running workers, so it is done when they are drained."
ADMIN_KEYS = "It is revoked and issued anew by the API: rotating the secret would change nothing there."
ONE_ZONE = "A standby doubles the price; with it missing, runs wait while the database is restored, and none is lost."
PORT = "The security group lets in workers and functions alone; another number would hide nothing."
OWN_KEYS = "The application asks for an API key itself; a JWT authorizer can come before it."
QUIET = "Workers come and go all day; people are told of what is wrong, and the dashboard shows the rest."
ENCRYPTED = "The rule cannot read launch templates that differ by type; the volumes are encrypted, and a test holds it."


def acknowledge(*, configuration: Configuration, ground: Ground, api: ApiStack, workers: WorkerStack) -> None:
    """Tells cdk-nag the reasons."""
    for construct, finding, reason in _known(configuration, ground, api, workers):
        Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))


Known = Iterator[tuple[Construct, str, str]]


def _known(configuration: Configuration, ground: Ground, api: ApiStack, workers: WorkerStack) -> Known:
    yield ground.storage.archive, "S1", LOGS
    database = ground.database
    yield database.database, "SMG4", ROTATION
    yield database.admin_key, "SMG4", ADMIN_KEYS
    yield database.database, "RDS11", PORT
    if not configuration.database_multi_az:
        yield database.database, "RDS3", ONE_ZONE
    if not configuration.deletion_protection:
        yield database.database, "RDS10", "It was taken off on purpose, so that the stage can be destroyed."
    if configuration.jwt_issuer is None:
        yield api.http, "APIG4", OWN_KEYS
    for function in (database.migrate, api.api, api.pulse, api.dead_letters):
        yield from _function(function, wildcard=INTERFACES)
    yield from _function(workers.drain, wildcard=DESCRIBING)
    yield workers.role, "IAM5[Resource::*]", DESCRIBING
    yield workers.workers, "AS3", QUIET
    yield workers.workers, "EC26", ENCRYPTED
    group = f"{_arn('autoscaling', configuration)}:autoScalingGroup:*:autoScalingGroupName/{configuration.group}"
    for role in (api.pulse.role, workers.drain.role, workers.role):
        yield role, f"IAM5[Resource::{group}]", GROUP
    secrets = f"{_arn('secretsmanager', configuration)}:secret:{secrets_prefix(configuration)}*"
    yield workers.role, f"IAM5[Resource::{secrets}]", NAMED_SECRETS


def _function(function: FleetFunction, *, wildcard: str) -> Known:
    yield function, "L1", RUNTIME
    yield function.role, "IAM5[Resource::*]", wildcard


def _arn(service: str, configuration: Configuration) -> str:
    """How cdk-nag spells the beginning of an ARN of the stage's account and region."""
    account = configuration.account or "<AWS::AccountId>"
    return f"arn:<AWS::Partition>:{service}:{configuration.region}:{account}"
