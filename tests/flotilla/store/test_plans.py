"""How PostgreSQL answers what the API asks: by an index, on a table that is large enough for it to mind."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from flotilla.states import JobState, RunState
from flotilla.store.logs import Stream
from flotilla.store.reading import get_job, get_run, get_verdict, list_jobs, list_runs
from flotilla.store.reading_logs import get_log
from tests.flotilla.fleet import Fleet

JOBS, RUNS = 40, 500
TENANT = "default"

# Each job's last runs wait, the others are graded, but for one in fifty.
_END_MOST = text("""
    UPDATE runs SET state = CASE WHEN number % 50 = 0 THEN 'errored' ELSE 'graded' END::run_state,
        waiting_on = NULL, waiting_since = NULL, finished_at = now(), trials = 1, trial_id = 'trial_' || id,
        cause = CASE WHEN number % 50 = 0 THEN 'verifier' END,
        rewards = CASE WHEN number % 50 > 0 THEN '{"reward": 1}'::jsonb END,
        reward = CASE WHEN number % 50 > 0 THEN 1 END
    WHERE number <= 450
""")
_TRIALS = text("""
    INSERT INTO trials (id, run_id, number, name, token, worker_id, state, finished_at)
    SELECT trial_id, id, 1, 'task__' || id, 1, :worker, state::text::trial_state, now()
    FROM runs WHERE trial_id IS NOT NULL
""")


class Explained:
    """A connection that keeps the plan of whatever is asked through it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[dict[str, Any]] = []

    def execute(self, statement: Any, parameters: dict[str, Any]) -> Any:
        explain = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
        told = self._connection.execute(explain, parameters).scalar_one()
        self.plans.append((json.loads(told) if isinstance(told, str) else told)[0]["Plan"])
        return self._connection.execute(statement, parameters)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


@pytest.fixture
def job_ids(fleet: Fleet) -> list[str]:
    """Twenty thousand runs, most of them graded."""
    firsts = [fleet.job(runs=RUNS)[0] for _ in range(JOBS)]
    worker_id = fleet.worker()
    fleet.do(lambda connection: connection.execute(_END_MOST))
    fleet.do(lambda connection: connection.execute(_TRIALS, {"worker": worker_id}))
    with fleet.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    return [fleet.row(run_id).job_id for run_id in firsts]


def test_no_read_of_the_api_goes_through_all_runs_or_trials(fleet: Fleet, job_ids: list[str]) -> None:
    job_id = job_ids[JOBS // 2]
    run_id = f"run_{job_id.removeprefix('job_')}_000007"
    all_jobs: dict[str, Any] = {"tenant": TENANT, "experiment": None, "before": None, "most": 51}
    of_job: dict[str, Any] = {"job_id": job_id, "tenant": TENANT, "most": 101}
    reads: list[tuple[str, int, Callable[[Any], object]]] = [
        ("the jobs", 51 * (RUNS - 450), lambda c: list_jobs(c, **all_jobs, state=None)),
        ("the jobs that run", 51 * (RUNS - 450), lambda c: list_jobs(c, **all_jobs, state=JobState.RUNNING)),
        ("a job", RUNS - 450, lambda c: get_job(c, job_id=job_id, tenant=TENANT)),
        ("its runs", 101, lambda c: list_runs(c, **of_job, state=None, after=200)),
        ("its errored runs", 10, lambda c: list_runs(c, **of_job, state=RunState.ERRORED, after=0)),
        ("its last graded runs", 101, lambda c: list_runs(c, **of_job, state=RunState.GRADED, after=400)),
        ("a run", 1, lambda c: get_run(c, run_id=run_id, tenant=TENANT)),
        ("a result", 1, lambda c: get_verdict(c, run_id=run_id, tenant=TENANT)),
        ("a log", 1, lambda c: get_log(c, run_id=run_id, tenant=TENANT, stream=Stream.TRIAL)),
    ]
    for name, most, read in reads:
        with fleet.engine.begin() as connection:
            explained = Explained(connection)
            read(explained)
        for node in (node for plan in explained.plans for node in nodes(plan)):
            if node.get("Relation Name") in {"runs", "trials"}:
                assert node["Node Type"] != "Seq Scan", f"{name}: {node}"
                looked_at = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                assert looked_at <= most, f"{name} looks at {looked_at} {node['Relation Name']}"
