"""Runs that wait for room say how much of it they ask for and how much is free."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("waiting_detail", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "waiting_detail")
