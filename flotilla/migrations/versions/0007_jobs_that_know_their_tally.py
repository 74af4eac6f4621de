"""Jobs that know how many of their runs ended and how; and an index for a job's runs of one state, by number."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TALLIES = ("graded", "errored", "cancelled", "rewarded")

# A trigger keeps the tally, so that workers of an earlier release, which end runs for hours after this migration, keep
# it as well. Whoever ends runs has locked them in the order of their ids, which begin with their jobs': the jobs are
# locked in the same order here.
TALLY = """
    CREATE FUNCTION tally_ended_runs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM changed WHERE finished_at IS NOT NULL) THEN
            RETURN NULL;
        END IF;
        WITH ended AS (
            SELECT changed.job_id, count(*) FILTER (WHERE changed.state = 'graded') AS graded,
                count(*) FILTER (WHERE changed.state = 'errored') AS errored,
                count(*) FILTER (WHERE changed.state = 'cancelled') AS cancelled,
                count(changed.reward) AS rewarded, coalesce(sum(changed.reward), 0) AS reward_sum
            FROM changed JOIN former ON former.id = changed.id
            WHERE former.finished_at IS NULL AND changed.finished_at IS NOT NULL
            GROUP BY changed.job_id
        ), locked AS (
            SELECT id FROM jobs WHERE id IN (SELECT job_id FROM ended) ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE jobs SET graded = jobs.graded + ended.graded, errored = jobs.errored + ended.errored,
            cancelled = jobs.cancelled + ended.cancelled, rewarded = jobs.rewarded + ended.rewarded,
            reward_sum = jobs.reward_sum + ended.reward_sum
        FROM locked JOIN ended ON ended.job_id = locked.id WHERE jobs.id = locked.id;
        RETURN NULL;
    END $$
"""

WHEN_RUNS_END = """
    CREATE TRIGGER tally_ended_runs AFTER UPDATE ON runs REFERENCING OLD TABLE AS former NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION tally_ended_runs()
"""

COUNT = """
    UPDATE jobs SET graded = counted.graded, errored = counted.errored, cancelled = counted.cancelled,
        rewarded = counted.rewarded, reward_sum = counted.reward_sum
    FROM (
        SELECT job_id, count(*) FILTER (WHERE state = 'graded') AS graded,
            count(*) FILTER (WHERE state = 'errored') AS errored,
            count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
            count(reward) AS rewarded, coalesce(sum(reward), 0) AS reward_sum
        FROM runs WHERE finished_at IS NOT NULL GROUP BY job_id
    ) AS counted
    WHERE jobs.id = counted.job_id
"""


def upgrade() -> None:
    for tally in TALLIES:
        op.add_column("jobs", sa.Column(tally, sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("jobs", sa.Column("reward_sum", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.execute("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE")  # no run ends between the count and the trigger
    op.execute(COUNT)
    op.execute(TALLY)
    op.execute(WHEN_RUNS_END)
    op.create_index("ix_runs_job_id_state_number", "runs", ["job_id", "state", "number"], unique=False)
    op.drop_index("ix_runs_job_id_state", table_name="runs")


def downgrade() -> None:
    op.create_index("ix_runs_job_id_state", "runs", ["job_id", "state"], unique=False)
    op.drop_index("ix_runs_job_id_state_number", table_name="runs")
    op.execute("DROP TRIGGER tally_ended_runs ON runs")
    op.execute("DROP FUNCTION tally_ended_runs()")
    for tally in ("reward_sum", *TALLIES):
        op.drop_column("jobs", tally)
