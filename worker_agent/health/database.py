"""The database: whether it answers, and whether its schema is the one that this version knows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from flotilla.database_secret import open_database
from flotilla.schema import revision_found, revisions
from flotilla.settings import DatabaseSettings
from worker_agent.health.finding import Finding, broken, degraded, healthy

MEND = "start the database, or mend FLOTILLA_DATABASE_URL or the secret that FLOTILLA_DATABASE_SECRET names"
MIGRATE = "run the migration of this version (a deployment does, and so does `flotilla up`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The server's version, the revision that its schema is at, and the ones that we know, newest first."""

    server: str
    revision: str | None
    known: Sequence[str]


@contextmanager
def connected(settings: DatabaseSettings) -> Iterator[Connection]:
    """A connection of its own, closed at the end."""
    engine = open_database(settings, pool_size=1)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def measure(settings: DatabaseSettings) -> Schema:
    """Asks the database. Raises what the database or its secret raises."""
    with connected(settings) as connection:
        server = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
        return Schema(server=server, revision=revision_found(connection), known=revisions())


def database(found: Schema) -> Finding:
    """A schema that is ahead of us is a deployment under way, which old workers outlive; one behind us is not."""
    answers = f"PostgreSQL {found.server} answers"
    if found.revision == found.known[0]:
        return healthy("database", f"{answers}, its schema is at {found.revision}")
    if found.revision is None or found.revision in found.known:
        seen = f"{answers}, its schema is at {found.revision or 'nothing'} and this version needs {found.known[0]}"
        return broken("database", seen, mend=MIGRATE)
    seen = f"{answers}, its schema is at {found.revision}, which is newer than this version's {found.known[0]}"
    return degraded("database", seen, mend="replace this worker by one of the version that is deployed")
