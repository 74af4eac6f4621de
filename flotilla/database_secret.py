"""The database's address: given as it is, or read from the one secret that holds host, port, user, password and CA."""

import atexit
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from sqlalchemy import URL, Engine

from flotilla.aws import brief_calls
from flotilla.database import connect
from flotilla.settings import DatabaseSettings

type ReadSecret = Callable[[str], str]
"""Gives a secret's text for its name or ARN."""

NEEDED = ("host", "port", "username", "password", "dbname")
SYSTEM_CA = "system"
"""What libpq calls the certificate authorities that the machine trusts."""


class SecretUnreadable(ValueError):
    """The database's secret is not what it should be; the message names the fields, and never a value."""


def open_database(settings: DatabaseSettings, *, pool_size: int = 5, read_secret: ReadSecret | None = None) -> Engine:
    """An engine on the fleet's database. Raises SecretUnreadable, or what boto3 raises."""
    if settings.database_url:
        return connect(settings.database_url, pool_size=pool_size)
    if not settings.database_secret:
        raise ValueError("settings name neither the database's address nor its secret: read them with `settings.read`")
    document = (read_secret or _from_secrets_manager)(settings.database_secret)
    return connect(address(document), pool_size=pool_size)


def address(document: str) -> URL:
    """The address that a secret holds. The server must prove that it is the host named there.

    It does so by the authority `ca` (PEM) of the secret, or without one by those that the machine trusts.
    """
    fields = _fields(document)
    authority = fields.get("ca")
    return URL.create(
        "postgresql+psycopg",
        username=fields["username"],
        password=fields["password"],
        host=fields["host"],
        port=int(fields["port"]),
        database=fields["dbname"],
        query={"sslmode": "verify-full", "sslrootcert": _as_file(authority) if authority else SYSTEM_CA},
    )


def _fields(document: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(document)
    except ValueError:
        fields = None  # the fault's own text would quote the secret
    if not isinstance(fields, dict):
        raise SecretUnreadable("the database's secret is not a JSON object: write it anew")
    missing = [name for name in NEEDED if not fields.get(name)]
    if missing or not str(fields["port"]).isdecimal():
        raise SecretUnreadable(f"the database's secret needs {', '.join(missing) or 'a number as port'}: write it anew")
    return fields


def _as_file(authority: str) -> str:
    """libpq reads the authority from a file at each connection, so it stays until this process ends."""
    with tempfile.NamedTemporaryFile("w", prefix="flotilla-ca-", suffix=".pem", delete=False) as file:
        file.write(authority)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name


def _from_secrets_manager(name: str) -> str:
    return boto3.client("secretsmanager", config=brief_calls()).get_secret_value(SecretId=name)["SecretString"]
