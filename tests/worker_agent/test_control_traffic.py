"""What a worker asks of database and queue: as many statements for sixty slots as for one, ten messages a call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

import pytest

from flotilla.causes import Cause
from flotilla.dispatch import dispatch
from flotilla.messages import Message
from flotilla.queue import BATCH
from flotilla.states import Priority, RunState, TrialState
from flotilla.store.endings import Ending, finish
from flotilla.store.leases import Refusal, Refused
from flotilla.store.logs import Shipped, Stream
from tests.traffic import calls, statements
from tests.worker_agent.one_worker import OneWorker, one_worker
from tests.worker_agent.workplace import Workplace
from worker_agent.assignment import Assignment
from worker_agent.log_shipping import LogShipping
from worker_agent.receiving import Receiver
from worker_agent.recovery import Recovery
from worker_agent.renewal import Renewal
from worker_agent.slots import Slots

BOUND_SECONDS = 50
SLOTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A worker that holds the leases and the messages of many runs; none of them has a process yet."""

    worker: OneWorker
    slots: Slots

    @property
    def receiver(self) -> Receiver:
        async def nowhere() -> list[object]:
            return []

        recovery = Recovery(self.slots, places=nowhere, examine=nowhere, give_up=_say_nothing)  # type: ignore[arg-type]
        return Receiver(
            Priority.NORMAL,
            equipment=self.worker.equipment,
            slots=self.slots,
            roster=self.worker.roster,
            recovery=recovery,
        )

    @property
    def messages(self) -> list[Message]:
        return [one.message for one in self.worker.roster.assignments.values()]


async def _say_nothing(_: str) -> None:
    return


@asynccontextmanager
async def busy(workplace: Workplace, *, leases: int) -> AsyncIterator[Busy]:
    workplace.submit(runs=leases)
    dispatch(workplace.engine, workplace.queue)
    async with asyncio.timeout(BOUND_SECONDS), one_worker(workplace) as worker:
        for _ in range(leases):
            await worker.begun("grade")
        yield Busy(worker=worker, slots=Slots(SLOTS))


def traffic(workplace: Workplace, work: Callable[[Busy], Awaitable[object]], *, leases: int) -> tuple[int, list[str]]:
    """How many statements some work of a worker with so many leases takes, and which calls to the queue."""

    async def run() -> tuple[int, list[str]]:
        async with busy(workplace, leases=leases) as worker:
            with ExitStack() as counting:
                sent = counting.enter_context(statements(workplace.engine))
                made = counting.enter_context(calls(workplace.queue))
                await work(worker)
            return len(sent), made

    return asyncio.run(run())


@pytest.mark.parametrize("leases", [1, SLOTS])
def test_a_renewal_takes_one_statement_whatever_the_slots(workplace: Workplace, leases: int) -> None:
    async def renew(worker: Busy) -> None:
        await Renewal(equipment=worker.worker.equipment, roster=worker.worker.roster, unfit=lambda: None).renew_once()

    sent, made = traffic(workplace, renew, leases=leases)
    assert sent == 1
    assert made == ["ChangeMessageVisibilityBatch"] * ceil(leases / BATCH)


@pytest.mark.parametrize("leases", [1, SLOTS])
def test_what_all_logs_grew_by_is_recorded_in_one_statement(
    workplace: Workplace, leases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def grown(assignment: Assignment) -> Shipped:
        return Shipped(trial_id=assignment.run.lease.trial_id, streams={Stream.TRIAL: ("trial.log", 7)})

    async def ship(worker: Busy) -> None:
        await LogShipping(equipment=worker.worker.equipment, roster=worker.worker.roster).ship_once()
        assert {worker.worker.trial(one).logs["trial"]["size"] for one in _assignments(worker)} == {7}

    monkeypatch.setattr(Assignment, "logs_are_at_rest", False)
    monkeypatch.setattr(Assignment, "ship", grown)
    sent, made = traffic(workplace, ship, leases=leases)
    assert (sent - leases, made) == (1, [])  # each trial was looked at once


@pytest.mark.parametrize("leases", [1, SLOTS])
def test_trials_whose_logs_are_at_rest_cost_one_look_of_one_thread(
    workplace: Workplace, leases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[object] = []

    async def ship(worker: Busy) -> None:
        files = worker.worker.equipment.threads.files

        async def counted(work: Callable[[], Any]) -> object:
            handed.append(work)
            return await files(work)

        with monkeypatch.context() as counting:
            counting.setattr(worker.worker.equipment.threads, "files", counted)
            await LogShipping(equipment=worker.worker.equipment, roster=worker.worker.roster).ship_once()

    monkeypatch.setattr(Assignment, "logs_are_at_rest", True)
    assert traffic(workplace, ship, leases=leases) == (0, [])
    assert len(handed) == 1


def _assignments(worker: Busy) -> list[Assignment]:
    return list(worker.worker.roster.assignments.values())


def test_the_messages_of_runs_that_end_together_are_deleted_together(workplace: Workplace) -> None:
    async def end(worker: Busy) -> None:
        receiver = worker.receiver
        await asyncio.gather(*(receiver._answer_ending(one, RunState.GRADED) for one in worker.messages))
        assert workplace.queue.depth(Priority.NORMAL).in_flight == 0

    sent, made = traffic(workplace, end, leases=SLOTS)
    assert (sent, made) == (0, ["DeleteMessageBatch"] * 6 + ["GetQueueAttributes"])


def test_runs_that_go_back_together_are_sent_and_deleted_together(workplace: Workplace) -> None:
    async def give_back(worker: Busy) -> None:
        receiver, spent = worker.receiver, Ending(state=TrialState.PREEMPTED, cause=Cause.SPOT_RECLAIMED)
        for lease in (one.run.lease for one in _assignments(worker)):
            with workplace.engine.begin() as connection:
                finish(connection, run_id=lease.run_id, token=lease.token, trial_id=lease.trial_id, ending=spent)
        await asyncio.gather(*(receiver._answer_ending(one, RunState.PENDING) for one in worker.messages))

    _, made = traffic(workplace, give_back, leases=SLOTS)
    assert made == ["SendMessageBatch"] * 6 + ["DeleteMessageBatch"] * 6


def test_messages_that_are_refused_together_are_hidden_together(workplace: Workplace) -> None:
    async def refuse(worker: Busy) -> None:
        receiver = worker.receiver
        leased = Refused(refusal=Refusal.LEASED, seconds=60)
        await asyncio.gather(*(receiver._answer_refusal(one, leased) for one in worker.messages))

    sent, made = traffic(workplace, refuse, leases=SLOTS)
    assert (sent, made) == (0, ["ChangeMessageVisibilityBatch"] * 6)
