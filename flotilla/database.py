"""The connection to PostgreSQL, and the schema's migrations."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, text

# After a failover the old server's address answers nothing, not even a refusal: a socket that waits for it would wait
# for TCP's own 15 minutes, longer than any lease. So the kernel asks an idle one after 10 s and gives up within 25 s,
# and what was sent and not acknowledged counts as lost after 20 s. A Unix socket knows none of these.
TCP = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connect(url: str | URL, *, pool_size: int = 5) -> Engine:
    """An engine with at most `pool_size` connections. No server-side prepared statements: a proxy would pin on them."""
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=30,
        connect_args={"prepare_threshold": None, "connect_timeout": 5, "application_name": "flotilla", **TCP},
    )


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
