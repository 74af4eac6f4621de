"""Cancels, claims, finishes and dispatches at the same time: every run has one winner, and the tallies are right."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import text

from flotilla.states import JobState, RunState, TrialState
from flotilla.store.dispatching import forget_messages, mark_sent
from flotilla.store.endings import Ending, finish
from flotilla.store.jobs import cancel_job
from flotilla.store.leases import Claimed
from tests.flotilla.fleet import Fleet

JOBS, RUNS = 40, 5
GRADED = Ending(state=TrialState.GRADED, rewards={"reward": 1.0}, result={})


def carry_out(fleet: Fleet, run_id: str, worker_id: str) -> RunState | None:
    """Claims a run and grades it at once; None if it was not to be had."""
    claimed = fleet.claim(run_id, worker_id)
    if not isinstance(claimed, Claimed):
        return None
    lease = claimed.lease
    return fleet.do(lambda c: finish(c, run_id=run_id, token=lease.token, trial_id=lease.trial_id, ending=GRADED))


def test_a_cancel_has_one_winner_in_every_run_whatever_it_meets(fleet: Fleet) -> None:
    worker_id = fleet.worker()
    runs = [run_id for _ in range(JOBS) for run_id in fleet.job(runs=RUNS)]
    jobs = sorted({fleet.row(run_id).job_id for run_id in runs})
    carried_out: dict[str, RunState | None] = {}

    def carry(run_id: str) -> None:
        carried_out[run_id] = carry_out(fleet, run_id, worker_id)

    acts: list[Callable[[], object]] = [partial(carry, run_id) for run_id in runs]
    acts += [partial(fleet.do, partial(cancel_job, job_id=job_id)) for job_id in jobs * 2]
    acts += [partial(fleet.do, partial(mark_sent, run_ids=runs[start::7])) for start in range(7)]
    acts += [partial(fleet.do, forget_messages) for _ in range(3)]
    random.Random(1).shuffle(acts)  # noqa: S311 - hides nothing
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda act: act(), acts))
    ends = {run_id: RunState(fleet.row(run_id).state) for run_id in runs}
    assert ends == {run_id: carried_out[run_id] or RunState.CANCELLED for run_id in runs}, "a finished trial wins"
    assert set(ends.values()) == {RunState.GRADED, RunState.CANCELLED}, "both won some of the time"
    check_tallies(fleet, ends)


def check_tallies(fleet: Fleet, ends: dict[str, RunState]) -> None:
    states = fleet.do(lambda c: c.execute(text("SELECT id, state, open_runs, any_cancelled FROM jobs")).all())
    of_job = {fleet.row(run_id).job_id: Counter[RunState]() for run_id in ends}
    for run_id, state in ends.items():
        of_job[fleet.row(run_id).job_id][state] += 1
    for job in states:
        cancelled = of_job[job.id][RunState.CANCELLED] > 0
        assert (job.open_runs, job.any_cancelled) == (0, cancelled)
        assert job.state == (JobState.CANCELLED if cancelled else JobState.DONE)
