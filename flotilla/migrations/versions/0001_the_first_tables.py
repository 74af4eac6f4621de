"""The first tables: keys, bundles, jobs, runs, trials, workers and the pulse's leader."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_table(
        "bundles",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("format", sa.Enum("zip", "tar.gz", name="bundle_format"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("unpacked_size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("task_name", sa.Text(), nullable=False),
        sa.Column("task", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundles")),
        sa.UniqueConstraint("tenant", "sha256", name=op.f("uq_bundles_tenant_sha256")),
    )
    op.create_table(
        "leaders",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leaders")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("accepting", "draining", "stopped", "lost", name="worker_state"),
            server_default="accepting",
            nullable=False,
        ),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("harbor_version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('stopped', 'lost')) = (stopped_at IS NOT NULL)", name=op.f("ck_workers_stopped_at_when_gone")
        ),
        sa.CheckConstraint("slots >= 1", name=op.f("ck_workers_has_slots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_index("ix_workers_name", "workers", ["name"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=False),
        sa.Column("agent_model", sa.Text(), nullable=True),
        sa.Column("agent_kwargs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("priority", sa.Enum("high", "normal", name="priority"), nullable=False),
        sa.Column("max_trials", sa.Integer(), nullable=False),
        sa.Column("secrets", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("open_runs", sa.Integer(), nullable=False),
        sa.Column(
            "state", sa.Enum("running", "done", "cancelled", name="job_state"), server_default="running", nullable=False
        ),
        sa.Column("any_cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("task_filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(open_runs = 0) = (state <> 'running')", name=op.f("ck_jobs_ended_with_its_last_run")),
        sa.CheckConstraint(
            "(state <> 'running') = (finished_at IS NOT NULL)", name=op.f("ck_jobs_finished_at_when_ended")
        ),
        sa.CheckConstraint("open_runs BETWEEN 0 AND runs", name=op.f("ck_jobs_open_runs_in_range")),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name=op.f("fk_jobs_bundle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_task_not_filled", "jobs", ["id"], unique=False, postgresql_where=sa.text("task_filled_at IS NULL")
    )
    op.create_index("ix_jobs_tenant_id", "jobs", ["tenant", "id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("retry_of", sa.Text(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("pending", "queued", "running", "graded", "errored", "cancelled", name="run_state"),
            server_default="pending",
            nullable=False,
        ),
        sa.Column(
            "waiting_on",
            sa.Enum("dispatch", "worker", "backoff", name="waiting_on"),
            server_default="dispatch",
            nullable=True,
        ),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_id", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("trials", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("own_errors", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("preempted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lost", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("infrastructure", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reward", sa.Double(), nullable=True),
        sa.Column("rewards", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'graded') = (rewards IS NOT NULL)", name=op.f("ck_runs_graded_has_rewards")),
        sa.CheckConstraint(
            "(state = 'running') = (worker_id IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL)",
            name=op.f("ck_runs_leased_while_running"),
        ),
        sa.CheckConstraint(
            "(state IN ('graded', 'errored', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_runs_finished_at_when_terminal"),
        ),
        sa.CheckConstraint(
            "(state IN ('pending', 'queued')) = (waiting_on IS NOT NULL) AND (waiting_on IS NULL) = (waiting_since IS NULL)",
            name=op.f("ck_runs_waiting_says_why"),
        ),
        sa.CheckConstraint("state <> 'errored' OR cause IS NOT NULL", name=op.f("ck_runs_errored_has_a_cause")),
        sa.CheckConstraint("state <> 'running' OR trial_id IS NOT NULL", name=op.f("ck_runs_running_has_a_trial")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_runs_number_from_one")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_runs_job_id")),
        sa.ForeignKeyConstraint(["retry_of"], ["runs.id"], name=op.f("fk_runs_retry_of")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_runs_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("job_id", "number", name=op.f("uq_runs_job_id_number")),
    )
    op.create_index("ix_runs_job_id_state", "runs", ["job_id", "state"], unique=False)
    op.create_index(
        "ix_runs_lease_until", "runs", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "ix_runs_pending", "runs", ["not_before", "id"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(
        "ix_runs_worker_id", "runs", ["worker_id"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("running", "graded", "errored", "preempted", "lost", "cancelled", name="trial_state"),
            server_default="running",
            nullable=False,
        ),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("exception", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=True),
        sa.Column(
            "logs", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)", name=op.f("ck_trials_finished_at_when_ended")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_trials_run_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_trials_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trials")),
        sa.UniqueConstraint("name", name=op.f("uq_trials_name")),
        sa.UniqueConstraint("run_id", "number", name=op.f("uq_trials_run_id_number")),
    )
    op.create_index("ix_trials_open", "trials", ["run_id"], unique=True, postgresql_where=sa.text("state = 'running'"))


def downgrade() -> None:
    op.drop_index("ix_trials_open", table_name="trials", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("trials")
    op.drop_index("ix_runs_worker_id", table_name="runs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_runs_pending", table_name="runs", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("ix_runs_lease_until", table_name="runs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_runs_job_id_state", table_name="runs")
    op.drop_table("runs")
    op.drop_index("ix_jobs_tenant_id", table_name="jobs")
    op.drop_index("ix_jobs_task_not_filled", table_name="jobs", postgresql_where=sa.text("task_filled_at IS NULL"))
    op.drop_table("jobs")
    op.drop_index("ix_workers_name", table_name="workers")
    op.drop_table("workers")
    op.drop_table("leaders")
    op.drop_table("bundles")
    op.drop_table("api_keys")
    for name in ("trial_state", "waiting_on", "run_state", "job_state", "priority", "worker_state", "bundle_format"):
        op.execute(f"DROP TYPE {name}")
