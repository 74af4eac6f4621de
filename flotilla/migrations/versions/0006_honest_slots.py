"""Runs that wait for room on a host, slots that a worker can really fill, and what each trial ran under."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NEW_WORDS = ("cpus", "memory", "storage")


def upgrade() -> None:
    for word in NEW_WORDS:
        op.execute(f"ALTER TYPE waiting_on ADD VALUE '{word}'")
    op.add_column("workers", sa.Column("room", sa.Integer(), nullable=True))
    op.add_column("trials", sa.Column("conditions", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("trials", "conditions")
    op.drop_column("workers", "room")
    # A word of an enum cannot be dropped: the type is made anew without it.
    op.execute("UPDATE runs SET waiting_on = 'worker' WHERE waiting_on IN ('cpus', 'memory', 'storage')")
    op.execute("ALTER TABLE runs DROP CONSTRAINT ck_runs_waiting_says_why, ALTER COLUMN waiting_on DROP DEFAULT")
    op.execute("ALTER TYPE waiting_on RENAME TO waiting_on_0006")
    op.execute("CREATE TYPE waiting_on AS ENUM ('dispatch', 'worker', 'backoff', 'launches', 'other_host')")
    op.execute("ALTER TABLE runs ALTER COLUMN waiting_on TYPE waiting_on USING waiting_on::text::waiting_on")
    op.execute("ALTER TABLE runs ALTER COLUMN waiting_on SET DEFAULT 'dispatch'")
    op.execute("DROP TYPE waiting_on_0006")
    op.create_check_constraint(
        op.f("ck_runs_waiting_says_why"),
        "runs",
        "(state IN ('pending', 'queued')) = (waiting_on IS NOT NULL) AND (waiting_on IS NULL) = (waiting_since IS NULL)",
    )
