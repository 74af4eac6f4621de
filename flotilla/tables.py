"""The tables, and the facts that PostgreSQL itself holds together with CHECK constraints."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from flotilla.layout import BundleFormat
from flotilla.states import BootOutcome, JobState, Priority, RunState, TrialState, WaitingOn, WorkerState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _enum(words: type[StrEnum], name: str) -> Enum:
    return Enum(*(word.value for word in words), name=name)


def _moment(name: str, *, now: bool = False) -> Column[object]:
    """A point in time by the database's clock; `now` makes it a required one that defaults to it."""
    return Column(name, DateTime(timezone=True), nullable=not now, server_default=func.now() if now else None)


def _tally(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    _moment("created_at", now=True),
    _moment("revoked_at"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("format", _enum(BundleFormat, "bundle_format"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("unpacked_size", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("task", JSONB, nullable=False),
    _moment("created_at", now=True),
    UniqueConstraint("tenant", "sha256"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("bundle_id", Text, ForeignKey("bundles.id"), nullable=False),
    Column("experiment", Text),
    Column("agent_name", Text, nullable=False),
    Column("agent_model", Text),
    Column("agent_kwargs", JSONB, nullable=False),
    Column("priority", _enum(Priority, "priority"), nullable=False),
    Column("max_trials", Integer, nullable=False),
    Column("secrets", ARRAY(Text), nullable=False),
    Column("runs", Integer, nullable=False),
    Column("open_runs", Integer, nullable=False),
    Column("state", _enum(JobState, "job_state"), nullable=False, server_default=JobState.RUNNING.value),
    Column("any_cancelled", Boolean, nullable=False, server_default=text("false")),
    # What has ended, kept by the trigger `tally_ended_runs`: to count a large job's runs at each look would be slow.
    _tally("graded"),
    _tally("errored"),
    _tally("cancelled"),
    _tally("rewarded"),
    Column("reward_sum", Double, nullable=False, server_default=text("0")),
    _moment("created_at", now=True),
    _moment("task_filled_at"),
    _moment("cancel_requested_at"),
    _moment("finished_at"),
    CheckConstraint("open_runs BETWEEN 0 AND runs", name="open_runs_in_range"),
    CheckConstraint("(open_runs = 0) = (state <> 'running')", name="ended_with_its_last_run"),
    CheckConstraint("(state <> 'running') = (finished_at IS NOT NULL)", name="finished_at_when_ended"),
    Index("ix_jobs_tenant_id", "tenant", "id"),
    Index("ix_jobs_task_not_filled", "id", postgresql_where=text("task_filled_at IS NULL")),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("retry_of", Text, ForeignKey("runs.id")),
    Column("state", _enum(RunState, "run_state"), nullable=False, server_default=RunState.PENDING.value),
    Column("waiting_on", _enum(WaitingOn, "waiting_on"), server_default=WaitingOn.DISPATCH.value),
    Column("waiting_detail", Text),
    _moment("waiting_since"),
    _moment("not_before"),
    Column("token", BigInteger, nullable=False, server_default=text("0")),
    Column("worker_id", Text, ForeignKey("workers.id")),
    _moment("lease_until"),
    Column("trial_id", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    _tally("trials"),
    _tally("own_errors"),
    _tally("preempted"),
    _tally("lost"),
    _tally("infrastructure"),
    Column("reward", Double),
    Column("rewards", JSONB),
    Column("cause", Text),
    _moment("created_at", now=True),
    _moment("queued_at"),
    _moment("redelivered_at"),
    _moment("started_at"),
    _moment("finished_at"),
    UniqueConstraint("job_id", "number"),
    CheckConstraint("number >= 1", name="number_from_one"),
    CheckConstraint(
        "(state = 'running') = (worker_id IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL)",
        name="leased_while_running",
    ),
    CheckConstraint("state <> 'running' OR trial_id IS NOT NULL", name="running_has_a_trial"),
    CheckConstraint(
        "(state IN ('pending', 'queued')) = (waiting_on IS NOT NULL)"
        " AND (waiting_on IS NULL) = (waiting_since IS NULL)",
        name="waiting_says_why",
    ),
    CheckConstraint(
        "(state IN ('graded', 'errored', 'cancelled')) = (finished_at IS NOT NULL)", name="finished_at_when_terminal"
    ),
    CheckConstraint("(state = 'graded') = (rewards IS NOT NULL)", name="graded_has_rewards"),
    CheckConstraint("state <> 'errored' OR cause IS NOT NULL", name="errored_has_a_cause"),
    Index("ix_runs_pending", "not_before", "id", postgresql_where=text("state = 'pending'")),
    Index("ix_runs_lease_until", "lease_until", postgresql_where=text("state = 'running'")),
    Index("ix_runs_worker_id", "worker_id", postgresql_where=text("state = 'running'")),
    Index("ix_runs_job_id_state_number", "job_id", "state", "number"),
    Index("ix_runs_open", "state", postgresql_where=text("state IN ('pending', 'queued', 'running')")),
    Index("ix_runs_finished_at", "finished_at", "state", postgresql_where=text("finished_at IS NOT NULL")),
)

trials = Table(
    "trials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("token", BigInteger, nullable=False),
    Column("worker_id", Text, ForeignKey("workers.id"), nullable=False),
    Column("state", _enum(TrialState, "trial_state"), nullable=False, server_default=TrialState.RUNNING.value),
    Column("cause", Text),
    Column("exception", Text),
    Column("message", Text),
    Column("log_tail", Text),
    Column("logs", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("result", JSONB),
    Column("conditions", JSONB),
    _moment("started_at", now=True),
    _moment("finished_at"),
    UniqueConstraint("run_id", "number"),
    CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished_at_when_ended"),
    Index("ix_trials_open", "run_id", unique=True, postgresql_where=text("state = 'running'")),
    Index("ix_trials_finished_at", "finished_at", "state", postgresql_where=text("finished_at IS NOT NULL")),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", _enum(WorkerState, "worker_state"), nullable=False, server_default=WorkerState.ACCEPTING.value),
    Column("slots", Integer, nullable=False),
    Column("busy", Integer, nullable=False, server_default=text("0")),
    Column("room", Integer),
    Column("reason", Text),
    Column("environment", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("harbor_version", Text, nullable=False),
    _moment("started_at", now=True),
    _moment("seen_at", now=True),
    _moment("stopped_at"),
    CheckConstraint("slots >= 1", name="has_slots"),
    CheckConstraint("state <> 'unfit' OR reason IS NOT NULL", name="unfit_has_a_reason"),
    CheckConstraint("(state IN ('stopped', 'lost')) = (stopped_at IS NOT NULL)", name="stopped_at_when_gone"),
    Index("ix_workers_name", "name"),
    Index("ix_workers_living", "name", postgresql_where=text("stopped_at IS NULL")),
)

boots = Table(
    "boots",
    metadata,
    Column("instance", Text, primary_key=True),
    _moment("seen_at", now=True),
    Column("outcome", _enum(BootOutcome, "boot_outcome")),
    _moment("decided_at"),
    _moment("answered_at"),
    CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided_at_with_its_outcome"),
    Index("ix_boots_decided_at", "decided_at"),
)

leaders = Table(
    "leaders",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _moment("good_at"),
    _moment("quiet_until"),
    _moment("counted_until"),
    _moment("starved_since"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False, server_default=text("0")),
    Column("parts", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("metadata", Text),
    Column("bundle_id", Text, ForeignKey("bundles.id")),
    _moment("created_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("received BETWEEN 0 AND length", name="received_in_range"),
    CheckConstraint("bundle_id IS NULL OR received = length", name="whole_when_a_bundle"),
)
