"""Renewal: leases and messages together; what is answered is hidden no more, what is lost is stopped."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from flotilla.dispatch import dispatch
from flotilla.queue import QueueUnavailable
from flotilla.states import Priority, RunState
from flotilla.store.workers import NewWorker, register_worker
from tests.worker_agent.one_worker import OneWorker, one_worker
from tests.worker_agent.workplace import Workplace
from worker_agent.assignment import Assignment
from worker_agent.renewal import Renewal
from worker_agent.verdict import Stopped

BOUND_SECONDS = 30
ANOTHER = NewWorker(id="worker_2", name="two", slots=1, environment="sandbox", version="0", harbor_version="0")


@pytest.fixture
def job_id(workplace: Workplace) -> str:
    """A job of one run whose message is on the queue."""
    job_id = workplace.submit()
    dispatch(workplace.engine, workplace.queue)
    return job_id


def with_worker(workplace: Workplace, work: Callable[[OneWorker, Renewal], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), one_worker(workplace) as worker:
            await work(worker, Renewal(equipment=worker.equipment, roster=worker.roster, unfit=lambda: None))

    asyncio.run(run())


def stopped(assignment: Assignment) -> Stopped | None:
    return assignment._stopped


def in_flight(workplace: Workplace) -> tuple[int, int]:
    """Messages that are visible, and that are hidden."""
    depth = workplace.queue.depth(Priority.NORMAL)
    return depth.visible, depth.in_flight


def test_a_message_that_is_given_back_is_hidden_by_no_renewal(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        message = await worker.received()
        worker.roster.receive(message)
        worker.roster.let_go(message)
        workplace.queue.hide({message: 0})
        await renewal.renew_once()
        assert in_flight(workplace) == (1, 0)

    with_worker(workplace, work)


def test_who_gives_a_message_back_waits_for_the_renewal_under_way(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    async def work(worker: OneWorker, renewal: Renewal) -> None:
        message = await worker.received()
        worker.roster.receive(message)
        hiding, may_hide = asyncio.Event(), asyncio.Event()

        async def slow(call: Callable[[], object]) -> object:
            hiding.set()
            await may_hide.wait()
            order.append("renewed")
            return call()

        monkeypatch.setattr(worker.equipment.threads, "queue", slow)
        renewing = asyncio.create_task(renewal.renew_once())
        await hiding.wait()

        async def give_back() -> None:
            worker.roster.let_go(message)
            async with worker.roster.hiding:
                order.append("given back")
                workplace.queue.hide({message: 0})

        giving = asyncio.create_task(give_back())
        may_hide.set()
        await asyncio.gather(renewing, giving)
        assert order == ["renewed", "given back"]
        assert in_flight(workplace) == (1, 0)

    with_worker(workplace, work)


def test_a_message_whose_run_is_given_back_is_renewed_no_more_before_its_row_says_so(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        assignment = await worker.begun("log_and_wait")
        held: list[bool] = []
        database = worker.equipment.threads.database

        async def look[T](write: Callable[[Connection], T]) -> T:
            held.append(assignment.message in worker.roster.messages())
            return await database(write)

        monkeypatch.setattr(worker.equipment.threads, "database", look)
        carrying = asyncio.create_task(assignment.carry_out())
        while not await assignment.ship():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
        assert assignment.message in worker.roster.messages()
        assignment.stop(Stopped.PREEMPTED)
        assert await carrying is RunState.PENDING
        assert held
        assert not any(held)

    with_worker(workplace, work)


def test_a_message_that_cannot_be_hidden_any_longer_is_let_go_and_its_run_goes_on(
    workplace: Workplace, job_id: str
) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        assignment = await worker.begun("grade")
        workplace.queue.delete([assignment.message])
        assert await renewal.renew_once()
        assert list(worker.roster.messages()) == []
        assert await assignment.carry_out() is RunState.GRADED

    with_worker(workplace, work)


def test_a_trial_whose_run_was_taken_back_is_told_at_the_next_renewal(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        assignment = await worker.begun("grade")
        assert await renewal.renew_once()
        assert stopped(assignment) is None
        with workplace.engine.begin() as connection:
            register_worker(connection, ANOTHER)
            connection.execute(text("UPDATE runs SET worker_id = :id"), {"id": ANOTHER.id})
        await renewal.renew_once()
        assert stopped(assignment) is Stopped.LEASE_LOST

    with_worker(workplace, work)


def test_a_lease_that_expired_and_was_not_taken_is_revived(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        assignment = await worker.begun("grade")
        with workplace.engine.begin() as connection:
            connection.execute(text("UPDATE runs SET lease_until = now() - interval '1 hour'"))
        assert await renewal.renew_once()
        assert stopped(assignment) is None
        assert await assignment.carry_out() is RunState.GRADED

    with_worker(workplace, work)


def test_a_database_that_is_away_stops_no_message_from_being_hidden_and_no_trial(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        assignment = await worker.begun("grade")
        workplace.queue.hide({assignment.message: 1})
        hung = asyncio.Event()

        async def hang(_: object) -> object:
            await hung.wait()
            raise OperationalError("UPDATE", None, Exception("the server closed the connection"))

        with monkeypatch.context() as patch:
            patch.setattr(worker.equipment.threads, "renewal", hang)
            renewing = asyncio.create_task(renewal.renew_once())
            await asyncio.sleep(1.2)  # longer than the message was hidden for
            assert in_flight(workplace) == (0, 1)
            hung.set()
            assert await renewing is False
        assert stopped(assignment) is None

    with_worker(workplace, work)


def test_a_queue_that_is_away_stops_no_lease_from_being_renewed(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        assignment = await worker.begun("grade")

        async def away(_: object) -> object:
            raise QueueUnavailable("the queue cannot be reached")

        monkeypatch.setattr(worker.equipment.threads, "queue", away)
        before = worker.run(assignment).lease_until
        assert await renewal.renew_once()
        assert worker.run(assignment).lease_until > before
        assert assignment.message in worker.roster.messages()

    with_worker(workplace, work)


def test_a_lease_that_the_worker_does_not_know_goes_back_also_beside_a_lost_trial_of_the_same_run(
    workplace: Workplace, job_id: str
) -> None:
    async def work(worker: OneWorker, renewal: Renewal) -> None:
        lost = await worker.begun("grade")
        with workplace.engine.begin() as connection:
            connection.execute(text("UPDATE trials SET state = 'lost', cause = 'host_lost', finished_at = now()"))
            connection.execute(
                text(
                    "INSERT INTO trials (id, run_id, number, name, token, worker_id) SELECT 'trial_unknown', run_id, "
                    "number + 1, 'task__unknown', token + 1, worker_id FROM trials"
                )
            )
            connection.execute(text("UPDATE runs SET trial_id = 'trial_unknown', token = token + 1, trials = 2"))
        await renewal.renew_once()
        assert stopped(lost) is Stopped.LEASE_LOST
        assert worker.run(lost).worker_id is None

    with_worker(workplace, work)
