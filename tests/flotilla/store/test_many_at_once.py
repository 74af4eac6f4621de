"""Many workers, a pulse and somebody who cancels, all at once on the same runs: the tables tell the one who won."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

from flotilla.causes import Cause
from flotilla.database import connect
from flotilla.states import TERMINAL, RunState, TrialState
from flotilla.store.dispatching import forget_messages, mark_sent, startable
from flotilla.store.endings import Ending, LeaseLost, give_back_unknown, take_back_expired
from flotilla.store.fleet_state import say_why_they_wait
from flotilla.store.jobs import cancel_job
from flotilla.store.leases import Claimed, Lease
from flotilla.store.logs import Shipped, Stream, record_shipped
from flotilla.store.workers import mark_silent_workers
from tests.flotilla.fleet import Fleet
from tests.flotilla.store.invariants import check

WORKERS, JOBS, RUNS_A_JOB = 4, 4, 4
BOUND_SECONDS = 60
ENDINGS = (
    Ending(state=TrialState.GRADED, rewards={"reward": 1.0}),
    Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER),
    Ending(state=TrialState.ERRORED, cause=Cause.SANDBOX),
    Ending(state=TrialState.PREEMPTED, cause=Cause.SPOT_RECLAIMED),
)
LEFT = text("SELECT count(*) FROM runs WHERE state IN ('pending', 'queued', 'running')")
WAIT_NO_MORE = text("UPDATE runs SET not_before = now() WHERE id = :run AND not_before > now()")


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 -- it must repeat itself


class Crowd:
    """What its threads share: one fleet, its runs, and who said of which run that he ended it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.jobs = [fleet.job(runs=RUNS_A_JOB, max_trials=3) for _ in range(JOBS)]
        self.runs = [run_id for job in self.jobs for run_id in job]
        self.winners: list[tuple[Lease, RunState]] = []
        self._until = time.monotonic() + BOUND_SECONDS
        self._over = threading.Event()

    def go_on(self) -> bool:
        return not self._over.is_set() and time.monotonic() < self._until

    def work(self, seed: int) -> None:
        """A worker that claims, ships, renews, ends late, forgets, and answers for leases that it lost long ago."""
        chance, worker_id, held = _chance(seed), self.fleet.worker(f"worker-{seed}"), list[Lease]()
        while self.go_on():
            claimed = self.fleet.claim(chance.choice(self.runs), worker_id, lease_seconds=chance.choice([0, 0.01, 5]))
            if isinstance(claimed, Claimed):
                held = [*held[-3:], claimed.lease]
            if chance.random() < 0.2:
                self._renew(worker_id, held)
            shipped = [Shipped(trial_id=one.trial_id, streams={Stream.TRIAL: ("trial.log", 1)}) for one in held]
            self.fleet.do(lambda c, shipped=shipped: record_shipped(c, shipped))  # type: ignore[misc]
            if held and chance.random() < 0.7:
                self._finish(chance.choice(held), chance.choice(ENDINGS))

    def _renew(self, worker_id: str, held: Sequence[Lease]) -> None:
        """What it has forgotten it would keep for ever: that goes back."""
        for lease in (one.lease for one in self.fleet.renew(worker_id) if one.lease not in held):
            words = {"run_id": lease.run_id, "token": lease.token, "trial_id": lease.trial_id}
            with contextlib.suppress(LeaseLost):
                self.fleet.do(lambda c, words=words: give_back_unknown(c, **words))  # type: ignore[misc]

    def _finish(self, lease: Lease, ending: Ending) -> None:
        try:
            state = self.fleet.finish(lease, ending)
        except LeaseLost:
            return
        if state in TERMINAL:
            self.winners.append((lease, state))

    def beat(self, seed: int) -> None:
        """The pulse: takes back, calls workers silent, sends, forgets, says why they wait; ends when all has ended."""
        chance = _chance(seed)
        while self.go_on():
            self.fleet.ticked()
            self.fleet.do(take_back_expired)
            self.fleet.do(lambda c: mark_silent_workers(c, after_seconds=0.05))
            self.fleet.do(lambda c: mark_sent(c, [run.run_id for run in startable(c, most=100)]))
            self.fleet.do(lambda c: say_why_they_wait(c, launches_stopped=chance.random() < 0.5))
            self.fleet.do(lambda c: c.execute(WAIT_NO_MORE, {"run": chance.choice(self.runs)}))
            if chance.random() < 0.2:
                self.fleet.do(forget_messages)
            if self.fleet.do(lambda c: c.execute(LEFT).scalar_one()) == 0:
                self._over.set()

    def cancel(self, seed: int) -> None:
        """Somebody who cancels every other job, twice, while it runs."""
        chance = _chance(seed)
        for job in self.jobs[::2]:
            while self.go_on() and all(self.fleet.row(run_id).trials == 0 for run_id in job):
                self.fleet.row(chance.choice(job))
            job_id = self.fleet.row(job[0]).job_id
            for _ in range(2):
                self.fleet.do(lambda c, job_id=job_id: cancel_job(c, job_id=job_id))  # type: ignore[misc]


def test_each_run_ends_once_whoever_comes_first(engine: Engine) -> None:
    shared = connect(engine.url, pool_size=WORKERS + 2)
    crowd = Crowd(Fleet(shared))
    parts: list[tuple[Callable[[int], None], int]] = [(crowd.work, seed) for seed in range(WORKERS)]
    parts += [(crowd.beat, WORKERS), (crowd.cancel, WORKERS + 1)]
    with ThreadPoolExecutor(len(parts)) as pool:
        for ended in [pool.submit(part, seed) for part, seed in parts]:
            ended.result()  # raises what the database raised: a deadlock, a broken constraint
    runs = check(crowd.fleet)
    shared.dispose()
    assert {RunState(run.state) for run in runs.values()} <= TERMINAL
    won = [lease.run_id for lease, _ in crowd.winners]
    assert len(won) == len(set(won))
    assert all(
        (runs[one.run_id].state, runs[one.run_id].trial_id) == (state, one.trial_id) for one, state in crowd.winners
    )
    assert {run.id for run in runs.values() if run.state == RunState.GRADED} <= set(won)
