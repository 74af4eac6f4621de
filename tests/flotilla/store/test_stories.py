"""Random stories of the run store, told to a real PostgreSQL and to a small model of it that must agree at each step.

Hypothesis writes them: workers claim, renew, finish, finish too late, are reborn or end; leases expire; the pulse takes
back, sends and forgets; people cancel; messages die.
"""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from flotilla.causes import Cause
from flotilla.states import TERMINAL, RunState, TrialState
from flotilla.store.dispatching import forget_messages, mark_sent, startable
from flotilla.store.endings import Ending, LeaseLost, take_back_expired, take_back_from_former
from flotilla.store.jobs import cancel_job
from flotilla.store.leases import Claimed, Lease, Superseded
from flotilla.store.rescuing import send_again
from flotilla.store.undelivered import undelivered
from flotilla.store.workers import mark_silent_workers, stop_worker
from tests.flotilla.fleet import Fleet
from tests.flotilla.store.invariants import check, check_step

EMPTY = text("TRUNCATE runs, trials, jobs, bundles, workers, leaders CASCADE")
NAMES = ("north", "south")
MOST_RUNS, MOST_INCARNATIONS = 3, 6  # few, so that they meet
ENDINGS = (
    Ending(state=TrialState.GRADED, rewards={"reward": 1.0}),
    Ending(state=TrialState.ERRORED, cause=Cause.AGENT),
    Ending(state=TrialState.ERRORED, cause=Cause.IMAGE_UNAVAILABLE),
    Ending(state=TrialState.ERRORED, cause=Cause.NEVER_FITS),
    Ending(state=TrialState.PREEMPTED, cause=Cause.SPOT_RECLAIMED),
    Ending(state=TrialState.PREEMPTED, cause=Cause.GIVEN_BACK),
    Ending(state=TrialState.CANCELLED, cause=Cause.CANCELLED),
)


@dataclass(slots=True)
class Held:
    """What the model knows of a lease that counts: whose it is, and whether it has expired."""

    lease: Lease
    worker_id: str
    expired: bool = False


class Story(RuleBasedStateMachine):
    """One story. The model knows who holds which run, who is the newest of his name, and what has ended."""

    engine: Engine
    run_ids = Bundle("run_ids")
    worker_ids = Bundle("worker_ids")

    def __init__(self) -> None:
        super().__init__()
        with self.engine.begin() as connection:
            connection.execute(EMPTY)
        self.fleet = Fleet(self.engine)
        self.held: dict[str, Held] = {}
        self.leases: list[Lease] = []
        self.newest: dict[str, str] = {}
        self.name_of: dict[str, str] = {}
        self.gone: set[str] = set()
        self.seen = check(self.fleet)

    @initialize(target=worker_ids)
    def two_workers_are_there(self) -> MultipleResults[str]:
        return multiple(*(self._begin(name) for name in NAMES))

    @initialize(target=run_ids)
    def and_a_run(self) -> str:
        return self.fleet.job(max_trials=2)[0]

    @precondition(lambda self: len(self.seen) < MOST_RUNS)
    @rule(target=run_ids, max_trials=st.integers(1, 2))
    def somebody_wants_a_run(self, max_trials: int) -> str:
        return self.fleet.job(max_trials=max_trials)[0]

    @precondition(lambda self: len(self.name_of) < MOST_INCARNATIONS)
    @rule(target=worker_ids, name=st.sampled_from(NAMES))
    def a_worker_begins(self, name: str) -> str:
        """Earlier ones of its name are superseded, and what they have is taken back."""
        return self._begin(name)

    def _begin(self, name: str) -> str:
        worker_id = self.fleet.worker(name)
        former = {one for one, its in self.name_of.items() if its == name}
        expected = sorted(run_id for run_id, held in self.held.items() if held.worker_id in former)
        taken = self.fleet.do(lambda c: take_back_from_former(c, worker_name=name, worker_id=worker_id))
        assert sorted(taken) == expected
        self._drop(expected)
        self.newest[name], self.name_of[worker_id] = worker_id, name
        return worker_id

    @rule(run_id=run_ids, worker_id=worker_ids)
    def a_message_comes(self, run_id: str, worker_id: str) -> None:
        """Who is superseded, gone or called lost gets nothing; nobody gets what another holds."""
        before = self.held.get(run_id)
        answer = self.fleet.claim(run_id, worker_id)
        if not isinstance(answer, Claimed):
            if before is not None and before.expired:
                self.held.pop(run_id)  # taken back at the most; the invariants look what became of it
                self._settle(run_id, before)
            return
        assert self._may_work(worker_id)
        assert before is None or before.expired
        self.held[run_id] = Held(lease=answer.lease, worker_id=worker_id)
        self.leases.append(answer.lease)

    @rule(ago=st.integers(0, 4), ending=st.sampled_from(ENDINGS))
    def a_trial_ends(self, ago: int, ending: Ending) -> None:
        """Of those of late: what its worker writes counts exactly if it holds the run, expired or not."""
        if not self.leases:
            return
        lease = self.leases[-1 - ago % len(self.leases)]
        held = self.held.get(lease.run_id)
        mine = held is not None and held.lease == lease
        try:
            state = self.fleet.finish(lease, ending)
        except LeaseLost:
            assert not mine
            return
        assert mine == (state is not None)
        if mine:
            self._drop([lease.run_id])
            assert (state is RunState.GRADED) == (ending.state is TrialState.GRADED)

    @rule(worker_id=worker_ids)
    def a_worker_renews(self, worker_id: str) -> None:
        mine = {held.lease.trial_id for held in self.held.values() if held.worker_id == worker_id}
        try:
            renewed = {one.lease.trial_id for one in self.fleet.renew(worker_id)}
        except Superseded:
            assert self.newest[self.name_of[worker_id]] != worker_id
            return
        assert renewed == mine
        for held in self.held.values():
            held.expired = held.expired and held.worker_id != worker_id
        self.gone -= {worker_id} - self.stopped()

    @rule(run_id=run_ids)
    def a_lease_expires(self, run_id: str) -> None:
        expire = text("UPDATE runs SET lease_until = now() WHERE id = :run AND state = 'running'")
        self.fleet.do(lambda c: c.execute(expire, {"run": run_id}))
        if run_id in self.held:
            self.held[run_id].expired = True

    @rule()
    def the_pulse_beats(self) -> None:
        """It takes back exactly what has expired, and sends what may start."""
        self.fleet.ticked()
        expected = sorted(run_id for run_id, held in self.held.items() if held.expired)
        assert self.fleet.do(take_back_expired) == expected
        self._drop(expected)
        self.fleet.do(lambda c: mark_sent(c, [run.run_id for run in startable(c, most=100)]))

    @rule(run_id=run_ids, worker_id=worker_ids, ending=st.sampled_from(ENDINGS))
    def a_run_is_carried_out(self, run_id: str, worker_id: str, ending: Ending) -> None:
        self.a_message_comes(run_id, worker_id)
        self.a_trial_ends(0, ending)

    @rule(run_id=run_ids, worker_ids=st.tuples(worker_ids, worker_ids), ending=st.sampled_from(ENDINGS))
    def a_zombie_wakes(self, run_id: str, worker_ids: tuple[str, str], ending: Ending) -> None:
        """Its lease ends, another takes over, and it writes after all."""
        first, second = worker_ids
        self.a_message_comes(run_id, first)
        self.a_lease_expires(run_id)
        self.the_pulse_beats()
        self.a_message_comes(run_id, second)
        self.a_trial_ends(1, ending)

    @rule()
    def the_database_was_away(self) -> None:
        self.fleet.away(150)
        for held in self.held.values():
            held.expired = True

    @rule(worker_id=worker_ids)
    def a_worker_ends(self, worker_id: str) -> None:
        self.fleet.do(lambda c: stop_worker(c, worker_id=worker_id))
        self.gone.add(worker_id)

    @rule()
    def the_silent_are_called_lost(self) -> None:
        self.fleet.do(lambda c: mark_silent_workers(c, after_seconds=100))

    @rule(run_id=run_ids)
    def somebody_cancels(self, run_id: str) -> None:
        self.fleet.do(lambda c: cancel_job(c, job_id=self.seen[run_id].job_id))

    @rule(run_id=run_ids)
    def a_message_dies(self, run_id: str) -> None:
        now = self.fleet.do(lambda c: c.execute(text("SELECT now()")).scalar_one())
        self.fleet.do(lambda c: undelivered(c, run_id=run_id, sent_at=now))

    @rule()
    def messages_vanish(self) -> None:
        self.fleet.do(lambda c: send_again(c, queued_seconds=0, elsewhere_seconds=0, most=3))

    @rule()
    def the_queue_is_emptied(self) -> None:
        self.fleet.do(forget_messages)

    @rule()
    def time_goes_by(self) -> None:
        self.fleet.do(lambda c: c.execute(text("UPDATE runs SET not_before = now() WHERE not_before > now()")))

    @invariant()
    def all_agree(self) -> None:
        runs = check(self.fleet)
        check_step(self.seen, runs)
        running = {run_id: run.trial_id for run_id, run in runs.items() if run.state == RunState.RUNNING}
        assert running == {run_id: held.lease.trial_id for run_id, held in self.held.items()}
        self.seen = runs

    def stopped(self) -> set[str]:
        """Those that ended by themselves: nothing revives them."""
        ended = text("SELECT id FROM workers WHERE state = 'stopped'")
        return set(self.fleet.do(lambda c: c.execute(ended).scalars()))

    def _may_work(self, worker_id: str) -> bool:
        return self.newest[self.name_of[worker_id]] == worker_id and worker_id not in self.gone

    def _drop(self, run_ids: list[str]) -> None:
        for run_id in run_ids:
            self.held.pop(run_id)

    def _settle(self, run_id: str, before: Held) -> None:
        """A claim that failed on an expired lease took it back, or left it where it was."""
        row = self.fleet.row(run_id)
        if row.trial_id == before.lease.trial_id and row.state == RunState.RUNNING:
            self.held[run_id] = before
        else:
            assert row.state in TERMINAL | {RunState.PENDING}


def test_every_story_keeps_every_promise(engine: Engine) -> None:
    story = type("StoryHere", (Story,), {"engine": engine})
    run_state_machine_as_test(
        story,
        settings=settings(
            max_examples=50,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
