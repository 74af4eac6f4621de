"""The schema of the database: its migrations, and the revision that is found.

Apart from the connection, because what knows the migrations is large, and the API has no use for it.
"""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's settings for our migrations, run on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(files("flotilla") / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> None:
    """Brings the schema to this version, in one transaction; safe to repeat and to run from two places at once."""
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")


def revision_found(connection: Connection) -> str | None:
    """The revision that the schema is at; None if it was never migrated."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def revisions() -> list[str]:
    """Every revision that this version knows, newest first."""
    return [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
