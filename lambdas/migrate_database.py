"""The custom resource that brings the schema to this version before traffic, and issues the first admin key."""

import logging
import os
from typing import Any

import boto3

from flotilla.admin_key import provide_admin_key
from flotilla.aws import brief_calls
from flotilla.custom_resource import Explained, RequestType, answer
from flotilla.database_secret import SecretUnreadable, open_database
from flotilla.schema import migrate
from flotilla.settings import MigrationSettings, SettingsFault, read

SETTINGS = MigrationSettings
NAME = "flotilla-database-migration"


def bring_up_to_date(settings: MigrationSettings) -> str:
    """Migrates, then provides the key. Both may be repeated."""
    client = boto3.client("secretsmanager", config=brief_calls())
    engine = open_database(settings, pool_size=1)
    try:
        migrate(engine)
        issued = provide_admin_key(engine, client, secret=settings.admin_key_secret)
    finally:
        engine.dispose()
    return f"the schema is up to date; the admin key {'is in its secret' if issued else 'was issued before'}"


def work(kind: RequestType) -> str:
    """What one request asks for. The database outlives the resource, so deleting it does nothing."""
    if kind is RequestType.DELETE:
        return "nothing is undone"
    try:
        return bring_up_to_date(read(os.environ, SETTINGS))
    except (SettingsFault, SecretUnreadable) as fault:
        raise Explained(str(fault)) from fault


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ARG001 - the answer goes to the request's address
    """Answers one request of CloudFormation."""
    logging.getLogger().setLevel(logging.INFO)
    answer(event, name=NAME, work=work)
