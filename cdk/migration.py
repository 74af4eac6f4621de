"""Brings the database's schema to this version before anything that needs it is deployed, and issues the first key."""

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk.aws_secretsmanager import Secret
from constructs import Construct

from cdk.configuration import Configuration
from cdk.fleet_function import FleetFunction
from cdk.function_code import migrations_revision


class Migration(Construct):
    """`resource` is done when the schema is there. It runs at first, and when a migration has changed."""

    def __init__(self, scope: Construct, construct_id: str, *, function: FleetFunction) -> None:
        super().__init__(scope, construct_id)
        self.resource = CustomResource(
            self,
            "Schema",
            resource_type="Custom::FlotillaSchema",
            service_token=function.function.function_arn,
            service_timeout=Duration.minutes(15),
            properties={"Revision": migrations_revision()},
        )


def admin_key_name(configuration: Configuration) -> str:
    """What the secret is called, so that people find it."""
    return f"{configuration.prefix}/admin-key"


def admin_key(scope: Construct, *, configuration: Configuration) -> Secret:
    """The secret into which the migration writes the first admin key, once."""
    return Secret(
        scope,
        "AdminKey",
        secret_name=admin_key_name(configuration),
        description="Flotilla: the first admin key, issued by the first migration",
        removal_policy=RemovalPolicy.DESTROY,
    )
