"""What the pulse of a fleet keeps: boots, its last good tick, what it has counted, and runs that were delivered anew."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LEADER_MOMENTS = ("good_at", "quiet_until", "counted_until")


def upgrade() -> None:
    op.execute("ALTER TYPE waiting_on ADD VALUE 'launches'")
    op.create_table(
        "boots",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("outcome", sa.Enum("reported", "failed", name="boot_outcome"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL)", name=op.f("ck_boots_decided_at_with_its_outcome")
        ),
        sa.PrimaryKeyConstraint("instance", name=op.f("pk_boots")),
    )
    op.create_index("ix_boots_decided_at", "boots", ["decided_at"], unique=False)
    for name in _LEADER_MOMENTS:
        op.add_column("leaders", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("redelivered_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_runs_open",
        "runs",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'queued', 'running')"),
    )
    for table in ("runs", "trials"):
        op.create_index(
            f"ix_{table}_finished_at",
            table,
            ["finished_at", "state"],
            unique=False,
            postgresql_where=sa.text("finished_at IS NOT NULL"),
        )


def downgrade() -> None:
    for table in ("trials", "runs"):
        op.drop_index(f"ix_{table}_finished_at", table_name=table)
    op.drop_index("ix_runs_open", table_name="runs")
    op.drop_column("runs", "redelivered_at")
    for name in reversed(_LEADER_MOMENTS):
        op.drop_column("leaders", name)
    op.drop_table("boots")
    op.execute("DROP TYPE boot_outcome")
    # A word of an enum cannot be dropped: the type is made anew without it.
    op.execute("UPDATE runs SET waiting_on = 'worker' WHERE waiting_on = 'launches'")
    op.execute("ALTER TABLE runs DROP CONSTRAINT ck_runs_waiting_says_why, ALTER COLUMN waiting_on DROP DEFAULT")
    op.execute("ALTER TYPE waiting_on RENAME TO waiting_on_0002")
    op.execute("CREATE TYPE waiting_on AS ENUM ('dispatch', 'worker', 'backoff')")
    op.execute("ALTER TABLE runs ALTER COLUMN waiting_on TYPE waiting_on USING waiting_on::text::waiting_on")
    op.execute("ALTER TABLE runs ALTER COLUMN waiting_on SET DEFAULT 'dispatch'")
    op.execute("DROP TYPE waiting_on_0002")
    op.create_check_constraint(
        op.f("ck_runs_waiting_says_why"),
        "runs",
        "(state IN ('pending', 'queued')) = (waiting_on IS NOT NULL) AND (waiting_on IS NULL) = (waiting_since IS NULL)",
    )
