"""Jobs with their runs: made in one transaction, cancelled in one, filled with the task afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from flotilla.ids import new_id
from flotilla.layout import BundleFormat
from flotilla.states import Priority
from flotilla.store.documents import as_json
from flotilla.store.endings import count_down


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What somebody asks for: N runs of a bundle's task by one agent and one model."""

    tenant: str
    bundle_id: str
    runs: int
    agent_name: str
    agent_model: str | None = None
    agent_kwargs: Mapping[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    experiment: str | None = None
    max_trials: int = 1
    secrets: Sequence[str] = ()


_INSERT_JOB = text("""
    INSERT INTO jobs (id, tenant, bundle_id, experiment, agent_name, agent_model, agent_kwargs, priority, max_trials,
        secrets, runs, open_runs)
    VALUES (:id, :tenant, :bundle, :experiment, :agent, :model, CAST(:kwargs AS jsonb), :priority, :max_trials,
        :secrets, :runs, :runs)
""")

_INSERT_RUNS = text("""
    INSERT INTO runs (id, job_id, number, waiting_since)
    SELECT :prefix || lpad(number::text, 6, '0'), :job, number, now() FROM generate_series(1, :runs) AS number
""")

_LOCK_OPEN = text("""
    SELECT id, state FROM runs WHERE job_id = :job AND state IN ('pending', 'queued', 'running') ORDER BY id FOR UPDATE
""")

_CANCEL_WAITING = text("""
    UPDATE runs SET state = 'cancelled', cause = 'cancelled', cancel_requested = true, finished_at = now(),
        token = token + 1, waiting_on = NULL, waiting_since = NULL, not_before = NULL
    WHERE job_id = :job AND state IN ('pending', 'queued')
""")

_CANCEL_RUNNING = text("UPDATE runs SET cancel_requested = true WHERE job_id = :job AND state = 'running'")

_CANCEL_ASKED = text("""
    UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = :job AND state = 'running'
""")

_NOT_FILLED = text("""
    SELECT jobs.id, bundles.sha256, bundles.format
    FROM jobs JOIN bundles ON bundles.id = jobs.bundle_id
    WHERE jobs.task_filled_at IS NULL ORDER BY jobs.id LIMIT :most
""")

_FILLED = text("UPDATE jobs SET task_filled_at = now() WHERE id = :job AND task_filled_at IS NULL")


def create_job(connection: Connection, job: NewJob, *, job_id: str) -> None:
    """Writes the job and its N runs, all pending. `job_id` is the caller's, so that its files can be laid out first."""
    connection.execute(
        _INSERT_JOB,
        {
            "id": job_id,
            "tenant": job.tenant,
            "bundle": job.bundle_id,
            "experiment": job.experiment,
            "agent": job.agent_name,
            "model": job.agent_model,
            "kwargs": as_json(job.agent_kwargs),
            "priority": job.priority,
            "max_trials": job.max_trials,
            "secrets": list(job.secrets),
            "runs": job.runs,
        },
    )
    prefix = f"run_{job_id.removeprefix('job_')}_"  # so that a job's runs sort together, by number
    connection.execute(_INSERT_RUNS, {"job": job_id, "prefix": prefix, "runs": job.runs})


def cancel_job(connection: Connection, *, job_id: str) -> None:
    """Ends every waiting run of the job and marks the running ones, whose workers stop them at their next renewal.

    Cancelling an ended job changes nothing.
    """
    connection.execute(_LOCK_OPEN, {"job": job_id})
    ended = connection.execute(_CANCEL_WAITING, {"job": job_id}).rowcount
    connection.execute(_CANCEL_RUNNING, {"job": job_id})
    connection.execute(_CANCEL_ASKED, {"job": job_id})
    count_down(connection, job_id=job_id, ended=ended, cancelled=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfilledJob:
    """A job whose `task/` directory is still to be filled from its bundle."""

    job_id: str
    sha256: str
    bundle_format: BundleFormat


def unfilled_jobs(connection: Connection, *, most: int) -> list[UnfilledJob]:
    """Jobs whose task is not laid out yet, oldest first."""
    rows = connection.execute(_NOT_FILLED, {"most": most})
    return [UnfilledJob(job_id=row.id, sha256=row.sha256, bundle_format=BundleFormat(row.format)) for row in rows]


def mark_filled(connection: Connection, *, job_id: str) -> None:
    """Records that the job's `task/` directory is complete."""
    connection.execute(_FILLED, {"job": job_id})


def new_job_id() -> str:
    """A new job's identifier."""
    return new_id("job")
