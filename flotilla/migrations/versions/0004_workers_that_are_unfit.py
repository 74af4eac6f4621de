"""Workers that cannot carry trials out at the moment, and why."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATES = "'accepting', 'draining', 'stopped', 'lost'"


def upgrade() -> None:
    # The type is made anew: a word that `ADD VALUE` adds cannot be used in the same transaction, as the check does.
    _retype("'accepting', 'draining', 'unfit', 'stopped', 'lost'")
    op.add_column("workers", sa.Column("reason", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_workers_unfit_has_a_reason"), "workers", "state <> 'unfit' OR reason IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_workers_unfit_has_a_reason"), "workers")
    op.drop_column("workers", "reason")
    op.execute("UPDATE workers SET state = 'draining' WHERE state = 'unfit'")
    _retype(_STATES)


def _retype(words: str) -> None:
    op.execute("ALTER TABLE workers DROP CONSTRAINT ck_workers_stopped_at_when_gone, ALTER COLUMN state DROP DEFAULT")
    op.execute("ALTER TYPE worker_state RENAME TO worker_state_before")
    op.execute(f"CREATE TYPE worker_state AS ENUM ({words})")
    op.execute("ALTER TABLE workers ALTER COLUMN state TYPE worker_state USING state::text::worker_state")
    op.execute("ALTER TABLE workers ALTER COLUMN state SET DEFAULT 'accepting'")
    op.execute("DROP TYPE worker_state_before")
    op.create_check_constraint(
        op.f("ck_workers_stopped_at_when_gone"), "workers", "(state IN ('stopped', 'lost')) = (stopped_at IS NOT NULL)"
    )
