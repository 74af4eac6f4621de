"""The network: workers in public subnets that nobody can reach, functions and database in isolated ones."""

from aws_cdk import RemovalPolicy
from aws_cdk.aws_ec2 import (
    FlowLogDestination,
    FlowLogTrafficType,
    GatewayVpcEndpointAwsService,
    InterfaceVpcEndpointAwsService,
    IpAddresses,
    Port,
    SecurityGroup,
    SubnetConfiguration,
    SubnetSelection,
    SubnetType,
    Vpc,
)
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from cdk.configuration import Configuration
from cdk.log_retention import KEPT_FOR

ENDPOINTS = {
    "Secrets": InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Queues": InterfaceVpcEndpointAwsService.SQS,
    "Functions": InterfaceVpcEndpointAwsService.LAMBDA_,
    "Metrics": InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING,
    "Groups": InterfaceVpcEndpointAwsService.AUTOSCALING,
}
"""What functions call besides S3, which custom resources answer to and which has a gateway for nothing."""


class Network(Construct):
    """`vpc`; where `workers` and `functions` live; and a security group for each of the four that meet in it."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        super().__init__(scope, construct_id)
        self.vpc = self._vpc(configuration)
        kind = SubnetType.PRIVATE_WITH_EGRESS if configuration.nat else SubnetType.PUBLIC
        self.workers = SubnetSelection(subnet_type=kind)
        self.functions = SubnetSelection(subnet_type=SubnetType.PRIVATE_ISOLATED)
        self.worker_group = self._security_group("Workers", "workers call out; nobody calls them")
        self.function_group = self._security_group("FunctionCode", "functions call database, files and endpoints")
        self.database_group = self._security_group("Database", "workers and functions reach PostgreSQL", outbound=False)
        self.files_group = self._security_group("Files", "workers and functions mount the file system", outbound=False)
        self._endpoints(configuration.endpoint_zones)

    def _vpc(self, configuration: Configuration) -> Vpc:
        subnets = [
            SubnetConfiguration(name="public", subnet_type=SubnetType.PUBLIC, cidr_mask=22),
            SubnetConfiguration(name="isolated", subnet_type=SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
        ]
        if configuration.nat:
            subnets.append(
                SubnetConfiguration(name="private", subnet_type=SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22)
            )
        vpc = Vpc(
            self,
            "Vpc",
            ip_addresses=IpAddresses.cidr(str(configuration.vpc_cidr)),
            availability_zones=list(configuration.zones),
            nat_gateways=1 if configuration.nat else 0,
            subnet_configuration=subnets,
            restrict_default_security_group=False,  # nothing is put into it, and its custom resource is not for us
        )
        vpc.add_gateway_endpoint("Objects", service=GatewayVpcEndpointAwsService.S3)
        log = LogGroup(
            self,
            "Flows",
            retention=KEPT_FOR[configuration.log_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        destination = FlowLogDestination.to_cloud_watch_logs(log)
        vpc.add_flow_log("Refused", destination=destination, traffic_type=FlowLogTrafficType.REJECT)
        return vpc

    def _security_group(self, construct_id: str, description: str, *, outbound: bool = True) -> SecurityGroup:
        return SecurityGroup(
            self, construct_id, vpc=self.vpc, description=f"Flotilla: {description}", allow_all_outbound=outbound
        )

    def _endpoints(self, zones: int) -> None:
        guard = self._security_group("Endpoints", "functions reach the AWS APIs", outbound=False)
        guard.connections.allow_from(self.function_group, Port.HTTPS, "functions")
        subnets = self.vpc.isolated_subnets[:zones]
        for name, service in ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name, service=service, subnets=SubnetSelection(subnets=subnets), security_groups=[guard], open=False
            )
