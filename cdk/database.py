"""PostgreSQL, on RDS.

Not Aurora Serverless: the pulse asks something every minute, so it would never pause, and its price at rest is that of
the instance here, with I/O or a higher rate on top; its connections follow its momentary size, those of an instance are
a number that can be held against what the fleet needs; this is the PostgreSQL that tests and `flotilla up` run.
Not RDS Proxy: the connections are counted at synth and fit, and a proxy pins on what a session sets.
"""

import json
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk.aws_ec2 import InstanceType, ISecurityGroup, IVpc, SubnetSelection
from aws_cdk.aws_rds import (
    CaCertificate,
    Credentials,
    DatabaseInstance,
    DatabaseInstanceEngine,
    ParameterGroup,
    PostgresEngineVersion,
    StorageType,
)
from aws_cdk.aws_secretsmanager import ISecret, Secret, SecretStringGenerator
from constructs import Construct

from cdk.configuration import Configuration
from cdk.database_authority import regions

USER = "flotilla"
NAME = "flotilla"
ENGINE = DatabaseInstanceEngine.postgres(version=PostgresEngineVersion.VER_18_2)
NOT_IN_PASSWORDS = "\"'/@\\ %:"  # RDS forbids some, URLs the others


class Database(Construct):
    """`instance`, and `secret`: all that a client needs, the certificate authority included, in one JSON object."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        vpc: IVpc,
        subnets: SubnetSelection,
        security_group: ISecurityGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        parameters = {"rds.force_ssl": "1", "max_connections": str(configuration.database_connections)}
        self.instance = DatabaseInstance(
            self,
            "Instance",
            engine=ENGINE,
            instance_type=InstanceType(configuration.database_class),
            parameter_group=ParameterGroup(self, "Parameters", engine=ENGINE, parameters=parameters),
            credentials=Credentials.from_secret(self._login(configuration.region), USER),
            database_name=NAME,
            vpc=vpc,
            vpc_subnets=subnets,
            security_groups=[security_group],
            multi_az=configuration.database_multi_az,
            storage_type=StorageType.GP3,
            storage_encrypted=True,
            allocated_storage=configuration.database_gib,
            max_allocated_storage=10 * configuration.database_gib,
            ca_certificate=CaCertificate.RDS_CA_RSA2048_G1,
            publicly_accessible=False,
            backup_retention=Duration.days(7),
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=["postgresql"],
            deletion_protection=configuration.deletion_protection,
            removal_policy=RemovalPolicy.SNAPSHOT,
        )
        self.secret = cast(ISecret, self.instance.secret)

    def _login(self, region: str) -> Secret:
        known = {"username": USER, "ca": regions()[region]}
        return Secret(
            self,
            "Login",
            description="Flotilla: where the database is, who may enter, and which authority vouches for it",
            generate_secret_string=SecretStringGenerator(
                secret_string_template=json.dumps(known),
                generate_string_key="password",
                password_length=32,
                exclude_characters=NOT_IN_PASSWORDS,
            ),
        )
