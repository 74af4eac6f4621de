"""API keys: shown once, kept as a digest, known by their prefix."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, text

from flotilla.ids import new_id

DEFAULT_TENANT = "default"
KEY_PREFIX = "fl_"
_SECRET_BYTES = 32  # 256 random bits need no slow hash: there is nothing to guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose key it was."""

    key_id: str
    tenant: str


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def issue_key(connection: Connection, *, name: str, tenant: str = DEFAULT_TENANT) -> str:
    """Makes a key such as `fl_4f1c…`, which is returned here and never again."""
    key = f"{KEY_PREFIX}{secrets.token_hex(_SECRET_BYTES)}"
    connection.execute(
        text("""
            INSERT INTO api_keys (id, name, tenant, prefix, digest) VALUES (:id, :name, :tenant, :prefix, :digest)
        """),
        {"id": new_id("key"), "name": name, "tenant": tenant, "prefix": key[:11], "digest": _digest(key)},
    )
    return key


def revoke_keys(connection: Connection, *, name: str) -> int:
    """Ends every key of that name."""
    revoke = text("UPDATE api_keys SET revoked_at = now() WHERE name = :name AND revoked_at IS NULL")
    return connection.execute(revoke, {"name": name}).rowcount


def keys_named(connection: Connection, *, name: str) -> int:
    """How many keys of that name were ever issued, revoked ones too."""
    return int(
        connection.execute(text("SELECT count(*) FROM api_keys WHERE name = :name"), {"name": name}).scalar_one()
    )


def find_caller(connection: Connection, key: str) -> Caller | None:
    """Whose key it is, if it is one and was not revoked."""
    find = text("SELECT id, tenant FROM api_keys WHERE digest = :digest AND revoked_at IS NULL")
    row = connection.execute(find, {"digest": _digest(key)}).one_or_none()
    return None if row is None else Caller(key_id=row.id, tenant=row.tenant)
