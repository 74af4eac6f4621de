"""What is true of the run store's tables after any step of anybody."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row, text

from flotilla.budgets import FORGIVEN_INFRASTRUCTURE, FORGIVEN_LOST, FORGIVEN_PREEMPTED, MOST_UNCHARGED
from flotilla.states import TERMINAL, WAITING, RunState
from tests.flotilla.fleet import Fleet

_RUNS = text("""
    SELECT runs.*, jobs.max_trials, opened.ids AS open_trials, coalesce(counted.trials, 0) AS trial_rows,
        coalesce(counted.graded, 0) AS graded_trials
    FROM runs JOIN jobs ON jobs.id = runs.job_id
    LEFT JOIN LATERAL (
        SELECT array_agg(id) AS ids FROM trials WHERE run_id = runs.id AND state = 'running'
    ) AS opened ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS trials, count(*) FILTER (WHERE state = 'graded') AS graded
        FROM trials WHERE run_id = runs.id
    ) AS counted ON true
""")

_JOBS_THAT_MISCOUNT = text("""
    SELECT jobs.id FROM jobs LEFT JOIN runs ON runs.job_id = jobs.id
    GROUP BY jobs.id
    HAVING jobs.open_runs <> count(runs.id) FILTER (WHERE runs.state IN ('pending', 'queued', 'running'))
        OR jobs.any_cancelled <> (count(runs.id) FILTER (WHERE runs.state = 'cancelled') > 0)
        OR jobs.graded <> count(runs.id) FILTER (WHERE runs.state = 'graded')
        OR jobs.errored <> count(runs.id) FILTER (WHERE runs.state = 'errored')
        OR jobs.cancelled <> count(runs.id) FILTER (WHERE runs.state = 'cancelled')
        OR jobs.rewarded <> count(runs.reward) OR jobs.reward_sum <> coalesce(sum(runs.reward), 0)
""")


def read_runs(fleet: Fleet) -> Mapping[str, Row[Any]]:
    """Every run with its open trials and how many it had."""
    return {row.id: row for row in fleet.do(lambda c: c.execute(_RUNS).all())}


def check(fleet: Fleet) -> Mapping[str, Row[Any]]:
    """Fails unless all is true at this moment; returns the runs."""
    runs = read_runs(fleet)
    for run in runs.values():
        _check_run(run)
    assert fleet.do(lambda c: c.execute(_JOBS_THAT_MISCOUNT).scalars().all()) == []
    return runs


def check_step(before: Mapping[str, Row[Any]], after: Mapping[str, Row[Any]]) -> None:
    """What ended stays as it is, and tokens only grow."""
    for run_id, run in before.items():
        assert after[run_id].token >= run.token
        if RunState(run.state) in TERMINAL:
            assert after[run_id] == run


def _check_run(run: Row[Any]) -> None:
    state = RunState(run.state)
    assert (run.open_trials or []) == ([run.trial_id] if state is RunState.RUNNING else [])
    assert (run.waiting_on is not None) == (state in WAITING)
    assert run.trial_rows == run.trials
    assert run.graded_trials == (1 if state is RunState.GRADED else 0)
    for rule in _WITHIN_BUDGET:
        assert rule(run), f"{run.id} has more trials than its budgets allow: {run}"


_WITHIN_BUDGET: tuple[Callable[[Row[Any]], bool], ...] = (
    lambda run: _within(run, run.preempted, FORGIVEN_PREEMPTED),
    lambda run: _within(run, run.lost, FORGIVEN_LOST),
    lambda run: _within(run, run.infrastructure, FORGIVEN_INFRASTRUCTURE),
    lambda run: _within(run, run.own_errors, run.max_trials - 1),
    lambda run: _within(run, _uncharged(run), MOST_UNCHARGED + 1),
)


def _within(run: Row[Any], charged: int, forgiven: int) -> bool:
    """One more than is forgiven ends the run."""
    return charged <= forgiven + (RunState(run.state) in TERMINAL)


def _uncharged(run: Row[Any]) -> int:
    """Its open trial is none of them yet."""
    charged = run.preempted + run.lost + run.infrastructure + run.own_errors
    return int(run.trials - charged - (run.state == RunState.RUNNING))
