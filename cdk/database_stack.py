"""The stack of the database, its schema included: what depends on this stack finds the tables that it expects."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Environment, Stack
from constructs import Construct

from cdk import grants
from cdk.configuration import Configuration
from cdk.database import Database
from cdk.fleet_function import FleetFunction, Size
from cdk.function_code import FunctionCode
from cdk.migration import Migration, admin_key, admin_key_name
from cdk.network_stack import NetworkStack


class DatabaseStack(Stack):
    """`database`, and the `admin_key` that the first migration issues."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        network: NetworkStack,
        wheels: Path,
        env: Environment,
    ) -> None:
        super().__init__(scope, construct_id, description="Flotilla: PostgreSQL and its schema", env=env)
        self.database = Database(
            self,
            "Database",
            configuration=configuration,
            vpc=network.network.vpc,
            subnets=network.network.functions,
            security_group=network.network.database_group,
        )
        self.admin_key = admin_key(self, configuration=configuration)
        self.migrate = FleetFunction(
            self,
            "Migrate",
            name="migrate_database",
            code=FunctionCode(self, "Code", wheels_directory=wheels),
            configuration=configuration,
            size=Size(timeout=Duration.minutes(10)),
            environment={
                "FLOTILLA_DATABASE_SECRET": self.database.secret.secret_arn,
                "FLOTILLA_ADMIN_KEY_SECRET": self.admin_key.secret_arn,
            },
            place=network.place,
        )
        grants.to_migration(self.migrate.role, database=self.database.secret, admin_key=self.admin_key)
        self.migration = Migration(self, "Migration", function=self.migrate)
        self.migration.resource.node.add_dependency(self.database)
        CfnOutput(self, "AdminKeySecret", value=admin_key_name(configuration))
