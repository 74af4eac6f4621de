"""A million runs in a database, as two years of use may leave them: written by PostgreSQL itself, in one go."""

from dataclasses import dataclass

from sqlalchemy import Engine, text

JOBS = 2_000
LARGEST = 100_000
RUNS = 1_000_000
OPEN_JOBS = 100
"""The newest; half of their runs wait."""

_STATEMENTS = (
    """
    INSERT INTO bundles (id, tenant, sha256, format, size, unpacked_size, files, task_name, task)
    VALUES ('bundle_1', 'default', repeat('0', 64), 'zip', 1, 1, 1, 'hello', '{}')
    """,
    """
    INSERT INTO workers (id, name, slots, environment, version, harbor_version)
    SELECT 'worker_' || n, 'worker-' || n, 60, 'docker', '0', '0' FROM generate_series(1, 10) AS n
    """,
    """
    INSERT INTO jobs (id, tenant, bundle_id, experiment, agent_name, agent_kwargs, priority, max_trials, secrets, runs,
        open_runs, state, finished_at, task_filled_at, graded, errored, rewarded, reward_sum)
    SELECT 'job_' || lpad(n::text, 6, '0'), 'default', 'bundle_1', 'experiment-' || n % 40, 'oracle', '{}', 'normal', 1,
        '{}', size, open, CASE WHEN open > 0 THEN 'running' ELSE 'done' END::job_state,
        CASE WHEN open = 0 THEN now() END, now(), size - open - errored, errored, size - open - errored,
        size - open - errored
    FROM (
        SELECT n, size, open, size / 20 - open / 20 AS errored
        FROM generate_series(1, :jobs) AS n
        CROSS JOIN LATERAL (
            SELECT CASE WHEN n = :jobs THEN :largest ELSE (:runs - :largest) / (:jobs - 1) END AS size
        ) AS sized
        CROSS JOIN LATERAL (SELECT CASE WHEN n > :jobs - :open_jobs THEN size / 2 ELSE 0 END AS open) AS opened
    ) AS made
    """,
    """
    INSERT INTO runs (id, job_id, number, state, waiting_on, waiting_since, queued_at, started_at, finished_at, reward,
        rewards, cause, trials, trial_id)
    SELECT 'run_' || substr(job_id, 5) || '_' || lpad(number::text, 6, '0'), job_id, number, state::run_state,
        CASE WHEN state = 'queued' THEN 'worker' END::waiting_on, CASE WHEN state = 'queued' THEN now() END, now(),
        CASE WHEN state <> 'queued' THEN now() END, CASE WHEN state <> 'queued' THEN now() END,
        CASE WHEN state = 'graded' THEN 1 END, CASE WHEN state = 'graded' THEN '{"reward": 1}'::jsonb END,
        CASE WHEN state = 'errored' THEN 'verifier' END, (state <> 'queued')::int,
        CASE WHEN state <> 'queued' THEN 'trial_' || substr(job_id, 5) || '_' || number END
    FROM (
        SELECT jobs.id AS job_id, number,
            CASE WHEN number <= open_runs THEN 'queued' WHEN number % 20 = 0 THEN 'errored' ELSE 'graded' END AS state
        FROM jobs CROSS JOIN LATERAL generate_series(1, jobs.runs) AS number
    ) AS made
    """,
    """
    INSERT INTO trials (id, run_id, number, name, token, worker_id, state, cause, started_at, finished_at, log_tail,
        result, logs)
    SELECT trial_id, id, 1, 'hello__' || substr(id, 5), 1, 'worker_' || 1 + number % 10, state::text::trial_state,
        cause, now(), now(), repeat('a line of a log, as long as such a line may be' || chr(10), 20),
        jsonb_build_object('trial_name', 'hello', 'verifier_result', jsonb_build_object('rewards', rewards)),
        '{"trial": {"path": "trial.log", "size": 4096}}'
    FROM runs WHERE trial_id IS NOT NULL
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is to ask for."""

    largest_job: str
    jobs: tuple[str, ...]
    ended_runs: tuple[str, ...]


def fill(engine: Engine) -> Known:
    """Writes it all, and has PostgreSQL take stock of it as its autovacuum would."""
    sizes = {"jobs": JOBS, "largest": LARGEST, "runs": RUNS, "open_jobs": OPEN_JOBS}
    with engine.begin() as connection:
        for statement in _STATEMENTS:
            asked = text(statement)
            connection.execute(asked, {name: sizes[name] for name in asked.compile().params})
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    largest = f"{JOBS:06d}"
    return Known(
        largest_job=f"job_{largest}",
        jobs=tuple(f"job_{number:06d}" for number in range(1, JOBS, 7)),
        ended_runs=tuple(f"run_{largest}_{number:06d}" for number in range(LARGEST // 2 + 1, LARGEST, 499)),
    )
