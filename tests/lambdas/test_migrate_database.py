"""The migration as CloudFormation asks for it: an empty database becomes a fleet's, the first key is in its secret."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from sqlalchemy import inspect

from flotilla import database
from flotilla.local.postgres import Postgres
from flotilla.store.keys import find_caller
from flotilla.tables import metadata
from lambdas import migrate_database as function
from tests.answers import Answers, answers

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as taken:
        yield taken


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def secrets(aws_environment: pytest.MonkeyPatch) -> "SecretsManagerClient":
    return boto3.client("secretsmanager")


@pytest.fixture
def key_secret(aws_environment: pytest.MonkeyPatch, secrets: "SecretsManagerClient", empty_database: str) -> str:
    """The function's variables, with the database by its address."""
    name = f"admin-key-{uuid4().hex}"
    secrets.create_secret(Name=name, SecretString="generated")
    aws_environment.setenv("FLOTILLA_DATABASE_URL", empty_database)
    aws_environment.setenv("FLOTILLA_ADMIN_KEY_SECRET", name)
    return name


def test_creating_migrates_and_issues_the_first_key(
    key_secret: str,
    empty_database: str,
    secrets: "SecretsManagerClient",
    cloudformation: Answers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", logger="flotilla"):
        function.handler(cloudformation.request("Create"), None)
        function.handler(cloudformation.request("Update"), None)
    assert [seen["Status"] for seen in cloudformation.seen] == ["SUCCESS", "SUCCESS"]
    assert len({seen["PhysicalResourceId"] for seen in cloudformation.seen}) == 1
    key = secrets.get_secret_value(SecretId=key_secret)["SecretString"]
    engine = database.connect(empty_database)
    with engine.connect() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
        assert find_caller(connection, key) is not None
    engine.dispose()
    assert key not in caplog.text
    assert key not in json.dumps(cloudformation.seen)


def test_deleting_does_nothing(key_secret: str, empty_database: str, cloudformation: Answers) -> None:
    function.handler(cloudformation.request("Delete"), None)
    assert cloudformation.seen[0]["Status"] == "SUCCESS"
    engine = database.connect(empty_database)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


def test_a_database_that_cannot_be_reached_is_a_failure_that_says_no_password(
    key_secret: str, aws_environment: pytest.MonkeyPatch, cloudformation: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    aws_environment.setenv("FLOTILLA_DATABASE_URL", "postgresql+psycopg://user:hush@127.0.0.1:1/nowhere")
    function.handler(cloudformation.request("Create"), None)
    (seen,) = cloudformation.seen
    assert seen["Status"] == "FAILED"
    assert "hush" not in seen["Reason"] + caplog.text


def test_a_secret_that_cannot_be_used_is_a_failure_that_says_what_is_missing(
    key_secret: str, aws_environment: pytest.MonkeyPatch, secrets: "SecretsManagerClient", cloudformation: Answers
) -> None:
    name = f"database-{uuid4().hex}"
    secrets.create_secret(Name=name, SecretString=json.dumps({"password": "hush"}))
    aws_environment.delenv("FLOTILLA_DATABASE_URL")
    aws_environment.setenv("FLOTILLA_DATABASE_SECRET", name)
    function.handler(cloudformation.request("Create"), None)
    (seen,) = cloudformation.seen
    assert (seen["Status"], "needs host" in seen["Reason"]) == ("FAILED", True)


def test_a_variable_that_is_missing_is_named(aws_environment: pytest.MonkeyPatch, cloudformation: Answers) -> None:
    function.handler(cloudformation.request("Create"), None)
    (seen,) = cloudformation.seen
    assert (seen["Status"], "FLOTILLA_ADMIN_KEY_SECRET" in seen["Reason"]) == ("FAILED", True)
