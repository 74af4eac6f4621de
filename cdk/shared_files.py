"""The shared file system, and the two doors to it: one for functions, one for workers."""

from aws_cdk import RemovalPolicy
from aws_cdk.aws_ec2 import ISecurityGroup, IVpc, SubnetSelection
from aws_cdk.aws_efs import (
    AccessPoint,
    Acl,
    FileSystem,
    LifecyclePolicy,
    OutOfInfrequentAccessPolicy,
    PerformanceMode,
    PosixUser,
    ThroughputMode,
)
from aws_cdk.aws_iam import AnyPrincipal, Effect, IGrantable, PolicyDocument, PolicyStatement
from constructs import Construct

ROOT = "/harbor-jobs"
OWNER = "1000"
"""Whoever comes through a door acts as this user, so that files written by one side can be changed by the other."""


class SharedFiles(Construct):
    """`file_system`, elastic (bursting runs dry) and kept when the stage is destroyed; `functions` and `workers`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: IVpc,
        subnets: SubnetSelection,
        security_group: ISecurityGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.file_system = FileSystem(
            self,
            "FileSystem",
            vpc=vpc,
            vpc_subnets=subnets,
            security_group=security_group,
            encrypted=True,
            throughput_mode=ThroughputMode.ELASTIC,
            performance_mode=PerformanceMode.GENERAL_PURPOSE,
            lifecycle_policy=LifecyclePolicy.AFTER_30_DAYS,
            out_of_infrequent_access_policy=OutOfInfrequentAccessPolicy.AFTER_1_ACCESS,
            enable_automatic_backups=True,
            file_system_policy=PolicyDocument(statements=_refusals()),
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.functions = self._door("FunctionsDoor")
        self.workers = self._door("WorkersDoor")

    def grant_mount(self, grantee: IGrantable, door: AccessPoint) -> None:
        """Lets the grantee read and write, through this door only."""
        grantee.grant_principal.add_to_principal_policy(
            PolicyStatement(
                actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                resources=[self.file_system.file_system_arn],
                conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": door.access_point_arn}},
            )
        )

    def _door(self, construct_id: str) -> AccessPoint:
        return self.file_system.add_access_point(
            construct_id,
            path=ROOT,
            posix_user=PosixUser(uid=OWNER, gid=OWNER),
            create_acl=Acl(owner_uid=OWNER, owner_gid=OWNER, permissions="0750"),
        )


def _refusals() -> list[PolicyStatement]:
    """A policy that allows nobody anything: who is not let in by a grant of their own is not let in."""
    without_tls = PolicyStatement(
        effect=Effect.DENY,
        principals=[AnyPrincipal()],
        actions=["*"],
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    without_door = PolicyStatement(
        effect=Effect.DENY,
        principals=[AnyPrincipal()],
        actions=[
            "elasticfilesystem:ClientMount",
            "elasticfilesystem:ClientWrite",
            "elasticfilesystem:ClientRootAccess",
        ],
        conditions={"Null": {"elasticfilesystem:AccessPointArn": "true"}},
    )
    return [without_tls, without_door]
