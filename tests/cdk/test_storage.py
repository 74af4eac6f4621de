"""What files, archive and database promise."""

import json

import pytest

from tests.cdk.templates import Json, Templates


@pytest.fixture(scope="session")
def instance(templates: Templates) -> Json:
    """The database instance's properties."""
    return templates.only("AWS::RDS::DBInstance").properties


def test_the_file_system_is_encrypted_elastic_and_backed_up(templates: Templates) -> None:
    system = templates.only("AWS::EFS::FileSystem").properties
    assert system["Encrypted"] is True
    assert system["ThroughputMode"] == "elastic"
    assert system["BackupPolicy"] == {"Status": "ENABLED"}


def test_both_doors_lead_to_one_tree_under_one_owner(templates: Templates) -> None:
    doors = [door.properties for door in templates.of_type("AWS::EFS::AccessPoint")]
    assert len(doors) == 2
    assert doors[0]["RootDirectory"] == doors[1]["RootDirectory"]
    assert doors[0]["PosixUser"] == doors[1]["PosixUser"]


def test_the_archive_is_private_and_encrypted(templates: Templates) -> None:
    bucket = templates.only("AWS::S3::Bucket").properties
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]


def test_the_database_is_encrypted_backed_up_and_not_public(instance: Json) -> None:
    assert instance["StorageEncrypted"] is True
    assert instance["BackupRetentionPeriod"] == 7
    assert instance["PubliclyAccessible"] is False
    assert instance["DeletionProtection"] is True


def test_the_database_takes_tls_only_and_as_many_connections_as_were_counted(templates: Templates) -> None:
    parameters = templates.only("AWS::RDS::DBParameterGroup").properties["Parameters"]
    assert parameters == {"rds.force_ssl": "1", "max_connections": "200"}


def test_clients_find_in_the_secret_the_authority_that_vouches_for_the_database(
    templates: Templates, instance: Json
) -> None:
    generated = templates.named("AWS::SecretsManager::Secret", "DatabaseLogin").properties["GenerateSecretString"]
    known = json.loads(generated["SecretStringTemplate"])
    assert known["username"] == "flotilla"
    assert known["ca"].startswith("-----BEGIN CERTIFICATE-----")
    assert instance["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    assert len(generated["SecretStringTemplate"]) < 10_240  # what CloudFormation takes


def test_the_schema_is_changed_when_a_migration_is_and_only_then(templates: Templates) -> None:
    schema = templates.only("Custom::FlotillaSchema")
    assert len(schema.properties["Revision"]) == 64
    assert templates.only("AWS::RDS::DBInstance").logical_id in schema.whole["DependsOn"]
