"""The stack of the network, and who may call whom in it."""

from aws_cdk import Environment, Stack
from aws_cdk.aws_ec2 import Port
from constructs import Construct

from cdk.configuration import Configuration
from cdk.fleet_function import Place
from cdk.network import Network

POSTGRESQL = Port.tcp(5432)
NFS = Port.tcp(2049)


class NetworkStack(Stack):
    """`network`, and the `place` in it where functions run."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, env: Environment) -> None:
        super().__init__(scope, construct_id, description="Flotilla: the network", env=env)
        self.network = Network(self, "Network", configuration=configuration)
        self.place = Place(
            vpc=self.network.vpc, subnets=self.network.functions, security_group=self.network.function_group
        )
        for caller in (self.network.worker_group, self.network.function_group):
            self.network.database_group.connections.allow_from(caller, POSTGRESQL)
            self.network.files_group.connections.allow_from(caller, NFS)
