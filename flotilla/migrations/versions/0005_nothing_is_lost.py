"""Runs that another host must carry out, queues that look empty while runs wait, and the workers that live."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("ALTER TYPE waiting_on ADD VALUE 'other_host'")
    op.add_column("leaders", sa.Column("starved_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_workers_living", "workers", ["name"], unique=False, postgresql_where=sa.text("stopped_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_workers_living", table_name="workers")
    op.drop_column("leaders", "starved_since")
    # A word of an enum cannot be dropped: the type is made anew without it.
    op.execute("UPDATE runs SET waiting_on = 'worker' WHERE waiting_on = 'other_host'")
    op.execute("ALTER TABLE runs DROP CONSTRAINT ck_runs_waiting_says_why, ALTER COLUMN waiting_on DROP DEFAULT")
    op.execute("ALTER TYPE waiting_on RENAME TO waiting_on_0005")
    op.execute("CREATE TYPE waiting_on AS ENUM ('dispatch', 'worker', 'backoff', 'launches')")
    op.execute("ALTER TABLE runs ALTER COLUMN waiting_on TYPE waiting_on USING waiting_on::text::waiting_on")
    op.execute("ALTER TABLE runs ALTER COLUMN waiting_on SET DEFAULT 'dispatch'")
    op.execute("DROP TYPE waiting_on_0005")
    op.create_check_constraint(
        op.f("ck_runs_waiting_says_why"),
        "runs",
        "(state IN ('pending', 'queued')) = (waiting_on IS NOT NULL) AND (waiting_on IS NULL) = (waiting_since IS NULL)",
    )
