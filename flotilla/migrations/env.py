"""Alembic's entry: runs the migrations on the connection that `flotilla.schema.migrate` hands over."""

from alembic import context
from sqlalchemy import text

from flotilla.tables import metadata

_LOCK = 7203385  # any number that nobody else uses: two migrations at once take turns


def _run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, transactional_ddl=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


_run()
