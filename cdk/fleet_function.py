"""One Lambda function of the fleet: `lambdas/NAME.py`, with a role that starts with nothing but its own log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk.aws_ec2 import ISecurityGroup, IVpc, SubnetSelection
from aws_cdk.aws_efs import IAccessPoint
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_lambda import CfnFunction, Function, LoggingFormat
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from cdk.configuration import Configuration
from cdk.function_code import ARCHITECTURE, RUNTIME, FunctionCode
from cdk.log_retention import KEPT_FOR

MOUNT = "/mnt/shared"
"""Lambda mounts below /mnt only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the network functions run."""

    vpc: IVpc
    subnets: SubnetSelection
    security_group: ISecurityGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What one invocation gets, and how many there may be at once (None: what the account has left)."""

    timeout: Duration
    memory_mib: int = 512
    concurrency: int | None = None


class FleetFunction(Construct):
    """`function`, outside the network without a `place`; a failed asynchronous invocation is not repeated."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        code: FunctionCode,
        configuration: Configuration,
        size: Size,
        environment: Mapping[str, str],
        place: Place | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log = LogGroup(
            self, "Log", retention=KEPT_FOR[configuration.log_days], removal_policy=RemovalPolicy.DESTROY
        )
        self.role = self._role(in_network=place is not None)
        self.function = Function(
            self,
            "Function",
            description=f"Flotilla {configuration.stage}: lambdas/{name}.py",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler=f"lambdas.{name}.handler",
            code=code.packages,
            layers=[code.wheels],
            role=self.role,
            environment=dict(environment),
            timeout=size.timeout,
            memory_size=size.memory_mib,
            reserved_concurrent_executions=size.concurrency,
            retry_attempts=0,
            max_event_age=Duration.minutes(1),
            log_group=self.log,
            logging_format=LoggingFormat.JSON,
            vpc=place.vpc if place else None,
            vpc_subnets=place.subnets if place else None,
            security_groups=[place.security_group] if place else None,
        )

    def mount(self, door: IAccessPoint) -> None:
        """Mounts the shared file system. Who may do so is granted by the stack."""
        resource = cast(CfnFunction, self.function.node.default_child)
        resource.file_system_configs = [
            CfnFunction.FileSystemConfigProperty(arn=door.access_point_arn, local_mount_path=MOUNT)
        ]

    def _role(self, *, in_network: bool) -> Role:
        role = Role(self, "Role", assumed_by=ServicePrincipal("lambda.amazonaws.com"))
        role.add_to_policy(
            PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[f"{self.log.log_group_arn}"]
            )
        )
        if in_network:
            role.add_to_policy(PolicyStatement(actions=INTERFACES, resources=["*"]))
        return role


INTERFACES = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]
"""What Lambda does in the function's name to place it in a network; the interfaces have no names beforehand."""
