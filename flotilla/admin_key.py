"""The first API key of a deployed fleet: issued once, into a secret, and shown to nobody on the way."""

from typing import TYPE_CHECKING

from sqlalchemy import Engine

from flotilla.store.keys import KEY_PREFIX, issue_key, keys_named, revoke_keys

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ADMIN = "admin"


def provide_admin_key(engine: Engine, client: "SecretsManagerClient", *, secret: str) -> bool:
    """Issues the key if none was, and says whether it did; a key that was revoked since is not issued anew.

    The secret is written before the commit: a key that the database knows is one that somebody can read. If the secret
    was lost, or the database is a new one, earlier keys of that name are revoked and another one is issued.
    """
    with engine.begin() as connection:
        if keys_named(connection, name=ADMIN) and _held(client, secret).startswith(KEY_PREFIX):
            return False
        revoke_keys(connection, name=ADMIN)
        client.put_secret_value(SecretId=secret, SecretString=issue_key(connection, name=ADMIN))
    return True


def _held(client: "SecretsManagerClient", secret: str) -> str:
    """What the secret holds now; nothing, if nobody ever wrote to it."""
    try:
        return client.get_secret_value(SecretId=secret)["SecretString"]
    except client.exceptions.ResourceNotFoundException:
        return ""
