"""The questions that the API asks of jobs, runs and trials; lists come in pages, by key."""

from typing import Any

from sqlalchemy import Connection, Row, text

from flotilla.layout import run_directory
from flotilla.states import JobState, Priority, RunState, TrialState, WaitingOn
from flotilla.store.conditions import conditions_of
from flotilla.store.rows import values_of
from flotilla.store.shown import Agent, BundleOfJob, Counts, Job, LogFile, Run, RunHistory, Trial, Verdict

# What has ended is the job's own tally; of the rest, what is neither queued nor running is pending.
_JOBS = """
    SELECT jobs.*, bundles.sha256, bundles.task_name, open.queued, open.running,
        jobs.open_runs - open.queued - open.running AS pending,
        jobs.reward_sum / nullif(jobs.rewarded, 0) AS mean_reward
    FROM ({page}) AS jobs JOIN bundles ON bundles.id = jobs.bundle_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE runs.state = 'queued') AS queued,
            count(*) FILTER (WHERE runs.state = 'running') AS running
        FROM runs WHERE runs.job_id = jobs.id AND runs.state IN ('queued', 'running')
    ) AS open
    ORDER BY jobs.id DESC
"""

_JOB = text(_JOBS.format(page="SELECT * FROM jobs WHERE id = :job AND tenant = :tenant"))

_JOB_PAGE = text(
    _JOBS.format(
        page="""
        SELECT * FROM jobs
        WHERE tenant = :tenant AND (CAST(:before AS text) IS NULL OR id < :before)
            AND (CAST(:experiment AS text) IS NULL OR experiment = :experiment)
            AND (CAST(:state AS job_state) IS NULL OR state = CAST(:state AS job_state))
        ORDER BY id DESC LIMIT :most
        """
    )
)

_RUNS = """
    SELECT runs.id, runs.job_id, runs.number, runs.state, runs.reward, runs.rewards, runs.cause, counting.exception,
        counting.message, counting.log_tail, CAST(counting.conditions->>'contended' AS boolean) AS contended,
        runs.waiting_on,
        CASE WHEN runs.waiting_on IN ('cpus', 'memory', 'storage') THEN runs.waiting_detail END AS waiting_detail,
        runs.waiting_since, runs.created_at, runs.queued_at,
        runs.started_at, runs.finished_at, runs.retry_of, runs.trials
    FROM runs JOIN jobs ON jobs.id = runs.job_id LEFT JOIN trials AS counting ON counting.id = runs.trial_id
    WHERE jobs.tenant = :tenant AND
"""

_RUN = text(_RUNS + "runs.id = :run")

_RUN_PAGE = text(
    _RUNS
    + """runs.job_id = :job AND runs.number > :after
        AND (CAST(:state AS run_state) IS NULL OR runs.state = CAST(:state AS run_state))
    ORDER BY runs.number LIMIT :most
    """
)

_TRIALS = text("""
    SELECT trials.name, trials.number, trials.state, trials.cause, trials.exception, trials.message,
        workers.name AS worker, trials.started_at, trials.finished_at, trials.logs, trials.conditions
    FROM trials JOIN workers ON workers.id = trials.worker_id
    WHERE trials.run_id = :run ORDER BY trials.number
""")

_VERDICT = text("""
    SELECT runs.state, runs.cause, CAST(counting.result AS text) AS result
    FROM runs JOIN jobs ON jobs.id = runs.job_id LEFT JOIN trials AS counting ON counting.id = runs.trial_id
    WHERE runs.id = :run AND jobs.tenant = :tenant
""")


def get_job(connection: Connection, *, job_id: str, tenant: str) -> Job | None:
    """The tenant's job of that id."""
    row = connection.execute(_JOB, {"job": job_id, "tenant": tenant}).one_or_none()
    return None if row is None else _job(row)


def list_jobs(
    connection: Connection,
    *,
    tenant: str,
    experiment: str | None,
    state: JobState | None,
    before: str | None,
    most: int,
) -> list[Job]:
    """The tenant's jobs, newest first, from the one before the id `before` on."""
    ask = {"tenant": tenant, "experiment": experiment, "state": state, "before": before, "most": most}
    return [_job(row) for row in connection.execute(_JOB_PAGE, ask)]


def list_runs(
    connection: Connection, *, job_id: str, tenant: str, state: RunState | None, after: int, most: int
) -> list[Run]:
    """A job's runs by number, from the one after the number `after` on."""
    ask = {"job": job_id, "tenant": tenant, "state": state, "after": after, "most": most}
    return [Run(**_run_facts(row), trials=row.trials) for row in connection.execute(_RUN_PAGE, ask)]


def get_run(connection: Connection, *, run_id: str, tenant: str) -> RunHistory | None:
    """The tenant's run of that id, with its trials."""
    row = connection.execute(_RUN, {"run": run_id, "tenant": tenant}).one_or_none()
    if row is None:
        return None
    facts = _run_facts(row)
    trials = [_trial(trial, directory=facts["path"]) for trial in connection.execute(_TRIALS, {"run": run_id})]
    return RunHistory(**facts, trials=trials)


def get_verdict(connection: Connection, *, run_id: str, tenant: str) -> Verdict | None:
    """How the tenant's run of that id ended, if it did."""
    row = connection.execute(_VERDICT, {"run": run_id, "tenant": tenant}).one_or_none()
    return None if row is None else Verdict(state=RunState(row.state), cause=row.cause, result=row.result)


def _job(row: Row[Any]) -> Job:
    values = values_of(row)
    return Job(
        id=row.id,
        state=JobState(row.state),
        experiment=row.experiment,
        bundle=BundleOfJob(id=row.bundle_id, sha256=row.sha256, task_name=row.task_name),
        agent=Agent(name=row.agent_name, model=row.agent_model, kwargs=row.agent_kwargs),
        priority=Priority(row.priority),
        runs=row.runs,
        max_trials=row.max_trials,
        secrets=row.secrets,
        counts=Counts(**{state.value: values[state.value] for state in RunState}),
        mean_reward=row.mean_reward,
        cancel_requested=row.cancel_requested_at is not None,
        created_at=values["created_at"],
        finished_at=values["finished_at"],
    )


def _run_facts(row: Row[Any]) -> dict[str, Any]:
    values = values_of(row)
    del values["trials"]
    values["state"] = RunState(row.state)
    values["waiting_on"] = row.waiting_on and WaitingOn(row.waiting_on)
    values["path"] = str(run_directory(row.job_id, row.number))
    return values


def _trial(row: Row[Any], *, directory: str) -> Trial:
    values = values_of(row)
    values["state"] = TrialState(row.state)
    values["conditions"] = conditions_of(row.conditions)
    values["logs"] = {stream: LogFile(**log) for stream, log in row.logs.items()}
    return Trial(**values, path=f"{directory}/{row.name}")
