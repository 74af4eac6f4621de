"""Where the values of a job's secrets come from: this machine, or Secrets Manager under the stage's prefix."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from worker_agent.secret_values import KEPT_SECONDS, SecretMissing, SecretsUnavailable, SecretValues, StageSecrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def client_of(url: str) -> "SecretsManagerClient":
    return boto3.client(
        "secretsmanager",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(connect_timeout=1, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def client(moto_url: str) -> Iterator["SecretsManagerClient"]:
    client = client_of(moto_url)
    yield client
    client.close()


@pytest.fixture
def prefix() -> str:
    return f"flotilla-{uuid4().hex}/secrets/"


@pytest.fixture
def stage(client: "SecretsManagerClient", prefix: str) -> StageSecrets:
    return StageSecrets(client, prefix=prefix)


def test_a_secret_of_the_stage_is_found_by_its_name(
    client: "SecretsManagerClient", prefix: str, stage: StageSecrets
) -> None:
    client.create_secret(Name=f"{prefix}ONE", SecretString="value-of-one")
    values = SecretValues(file=None, environment={}, stage=stage)
    assert values.select(["ONE"]) == {"ONE": "value-of-one"}
    assert "value-of-one" not in repr(values)


def test_a_worker_of_a_stage_hands_out_nothing_of_its_own_environment(stage: StageSecrets) -> None:
    values = SecretValues(file=None, environment={"ONE": "the worker's own"}, stage=stage)
    with pytest.raises(SecretMissing):
        values.select(["ONE"])


def test_what_a_file_gives_comes_first(
    client: "SecretsManagerClient", prefix: str, stage: StageSecrets, tmp_path: Path
) -> None:
    client.create_secret(Name=f"{prefix}ONE", SecretString="of the stage")
    file = tmp_path / "secrets"
    file.write_text("ONE=of the file\n")
    assert SecretValues(file=file, environment={}, stage=stage).select(["ONE"]) == {"ONE": "of the file"}


def test_one_that_is_missing_is_named_with_what_makes_it(prefix: str, stage: StageSecrets) -> None:
    values = SecretValues(file=None, environment={}, stage=stage)
    with pytest.raises(SecretMissing, match=f"no text for ONE, TWO .*create-secret --name {prefix}ONE"):
        values.select(["TWO", "ONE"])


def test_one_that_is_marked_for_deletion_or_has_no_text_is_missing(
    client: "SecretsManagerClient", prefix: str, stage: StageSecrets
) -> None:
    client.create_secret(Name=f"{prefix}GONE", SecretString="value")
    client.delete_secret(SecretId=f"{prefix}GONE")
    client.create_secret(Name=f"{prefix}BYTES", SecretBinary=b"bytes")
    with pytest.raises(SecretMissing, match="BYTES, GONE"):
        SecretValues(file=None, environment={}, stage=stage).select(["GONE", "BYTES"])


def test_a_value_is_kept_for_some_minutes_and_its_absence_is_not(client: "SecretsManagerClient", prefix: str) -> None:
    now = 0.0
    stage = StageSecrets(client, prefix=prefix, clock=lambda: now)
    assert stage.value("ONE") is None
    client.create_secret(Name=f"{prefix}ONE", SecretString="old")
    assert stage.value("ONE") == "old"
    client.put_secret_value(SecretId=f"{prefix}ONE", SecretString="new")
    assert stage.value("ONE") == "old"
    now = KEPT_SECONDS
    assert stage.value("ONE") == "new"


def test_a_secrets_manager_that_does_not_answer_is_no_missing_secret(prefix: str) -> None:
    client = client_of("http://127.0.0.1:9")
    with pytest.raises(SecretsUnavailable, match="ONE cannot be read"):
        StageSecrets(client, prefix=prefix).value("ONE")
    client.close()
