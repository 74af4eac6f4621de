"""The first admin key: in its secret, good for the API, issued once."""

from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from sqlalchemy import Engine

from flotilla.admin_key import ADMIN, provide_admin_key
from flotilla.store.keys import find_caller, keys_named, revoke_keys
from tests.aws_group import REGION

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def client(moto_url: str) -> "SecretsManagerClient":
    return boto3.client(
        "secretsmanager",
        endpoint_url=moto_url,
        region_name=REGION,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


@pytest.fixture(params=["what CDK generates", None])
def secret(client: "SecretsManagerClient", request: pytest.FixtureRequest) -> str:
    """A secret as a deployment makes it: with some text in it, or with none."""
    name = f"admin-key-{uuid4().hex}"
    client.create_secret(Name=name, **({"SecretString": request.param} if request.param else {}))
    return name


def _key(client: "SecretsManagerClient", secret: str) -> str:
    return client.get_secret_value(SecretId=secret)["SecretString"]


def test_the_key_in_the_secret_is_good(engine: Engine, client: "SecretsManagerClient", secret: str) -> None:
    assert provide_admin_key(engine, client, secret=secret)
    with engine.connect() as connection:
        assert find_caller(connection, _key(client, secret)) is not None


def test_it_is_issued_once(engine: Engine, client: "SecretsManagerClient", secret: str) -> None:
    provide_admin_key(engine, client, secret=secret)
    first = _key(client, secret)
    assert not provide_admin_key(engine, client, secret=secret)
    assert _key(client, secret) == first
    with engine.connect() as connection:
        assert keys_named(connection, name=ADMIN) == 1


def test_a_key_that_somebody_revoked_stays_revoked(engine: Engine, client: "SecretsManagerClient", secret: str) -> None:
    provide_admin_key(engine, client, secret=secret)
    with engine.begin() as connection:
        revoke_keys(connection, name=ADMIN)
    assert not provide_admin_key(engine, client, secret=secret)


def test_a_key_whose_secret_was_lost_is_replaced_and_revoked(
    engine: Engine, client: "SecretsManagerClient", secret: str
) -> None:
    provide_admin_key(engine, client, secret=secret)
    lost = _key(client, secret)
    client.put_secret_value(SecretId=secret, SecretString="generated anew")
    assert provide_admin_key(engine, client, secret=secret)
    with engine.connect() as connection:
        assert find_caller(connection, lost) is None
        assert find_caller(connection, _key(client, secret)) is not None


def test_a_key_that_cannot_be_written_down_is_not_issued(engine: Engine, client: "SecretsManagerClient") -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        provide_admin_key(engine, client, secret="no-such-secret")
    with engine.connect() as connection:
        assert keys_named(connection, name=ADMIN) == 0
