"""How an assignment ends when its files, its lease, its worker or we ourselves fail it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from flotilla.dispatch import dispatch
from flotilla.states import Priority, RunState
from tests.worker_agent.one_worker import OneWorker, one_worker
from tests.worker_agent.workplace import Workplace
from worker_agent import assignment as assignment_module
from worker_agent.assignment import Assignment
from worker_agent.environments import SANDBOX_NICENESS
from worker_agent.verdict import Stopped

BOUND_SECONDS = 30


@pytest.fixture
def job_id(workplace: Workplace) -> str:
    """A job of one run whose message is on the queue."""
    job_id = workplace.submit()
    dispatch(workplace.engine, workplace.queue)
    return job_id


def with_worker(workplace: Workplace, work: Callable[[OneWorker], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), one_worker(workplace) as worker:
            await work(worker)

    asyncio.run(run())


async def until_begun(worker: OneWorker, assignment: Assignment) -> None:
    """Its process has written to its log, and that was shipped."""
    while not await assignment.ship():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pressed(assignment: Assignment) -> dict[str, Any]:
    """What was measured of its host while it ran."""
    assert assignment.ending is not None
    assert assignment.ending.conditions is not None
    assert set(assignment.ending.conditions) == {"stalled", "contended"}
    return dict(assignment.ending.conditions)


def test_a_graded_trial_has_its_files_and_sizes_out_before_its_row(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("grade")
        assert await assignment.carry_out() is RunState.GRADED
        assert (worker.shared(assignment) / "result.json").is_file()
        assert worker.trial(assignment).logs == {"trial": {"path": "trial.log", "size": len("the last line\n")}}

    with_worker(workplace, work)


def test_a_size_that_never_reached_the_database_is_there_in_the_end(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("log_and_wait")
        carrying = asyncio.create_task(assignment.carry_out())
        await until_begun(worker, assignment)  # the shipping loop would have recorded it, had the database answered
        assignment.stop(Stopped.PREEMPTED)
        await carrying
        assert worker.trial(assignment).logs["trial"]["size"] == len("the first line\nthe last line\n")

    with_worker(workplace, work)


def test_a_finished_trial_that_cannot_be_published_is_given_back_when_its_worker_has_to_leave(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment_module, "LEAVING_PUBLISH_SECONDS", 0.5)

    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("log_and_wait")
        carrying = asyncio.create_task(assignment.carry_out())
        await until_begun(worker, assignment)
        assignment.place.local.joinpath("artifacts").mkdir()
        (worker.shared(assignment) / "artifacts").write_text("no directory")
        assignment.place.local.joinpath("result.json").write_text('{"verifier_result": {"rewards": {"reward": 1.0}}}')
        assignment.stop(Stopped.PREEMPTED)
        assert await carrying is RunState.PENDING
        ended = worker.trial(assignment)
        assert (ended.state, ended.cause) == ("preempted", "spot_reclaimed")
        assert ended.conditions == pressed(assignment)
        assert worker.run(assignment).preempted == 1

    with_worker(workplace, work)


def test_a_trial_whose_files_cannot_be_put_out_for_too_long_is_tried_elsewhere(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment_module, "PUBLISH_SECONDS", 0.2)

    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("grade")
        (worker.shared(assignment) / "artifacts").parent.mkdir(parents=True)
        (worker.shared(assignment) / "artifacts").write_text("no directory")
        assert await assignment.carry_out() is RunState.PENDING
        ended = worker.trial(assignment)
        assert (ended.state, ended.cause, ended.exception) == ("errored", "host_resource", "NotPublished")
        assert ended.conditions == pressed(assignment)

    with_worker(workplace, work)


@pytest.mark.parametrize("failing", ["worker_agent.trial_place.publish", "worker_agent.assignment.finish"])
def test_a_fault_of_ours_after_the_trial_keeps_what_it_ran_under(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail_once(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        raise ValueError("a fault of ours")

    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("grade")
        monkeypatch.setattr(failing, fail_once)
        assert await assignment.carry_out() is RunState.PENDING
        ended = worker.trial(assignment)
        assert (ended.state, ended.cause, ended.message) == ("errored", "harness", "a fault of ours")
        assert ended.conditions == pressed(assignment)

    with_worker(workplace, work)


def test_a_trial_in_the_sandbox_gives_way_to_its_worker(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("log_and_wait")
        carrying = asyncio.create_task(assignment.carry_out())
        await until_begun(worker, assignment)
        [trial] = children_of(worker.errands.pid)
        assert os.getpriority(os.PRIO_PROCESS, trial) == min(os.getpriority(os.PRIO_PROCESS, 0) + SANDBOX_NICENESS, 19)
        assignment.stop(Stopped.LEASE_LOST)
        await carrying

    with_worker(workplace, work)


def test_a_lost_lease_leaves_the_last_lines_and_no_result(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("log_and_wait")
        carrying = asyncio.create_task(assignment.carry_out())
        await until_begun(worker, assignment)
        assignment.place.local.joinpath("result.json").write_text('{"verifier_result": {"rewards": {"reward": 1.0}}}')
        assignment.stop(Stopped.LEASE_LOST)
        assert await carrying is None
        assert (worker.shared(assignment) / "trial.log").read_text() == "the first line\nthe last line\n"
        assert not (worker.shared(assignment) / "result.json").exists()
        assert worker.trial(assignment).state == "running", "it writes nothing: that is for whoever took it back"

    with_worker(workplace, work)


def test_a_trial_has_a_place_for_its_evidence_before_it_has_a_process(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("grade")
        there: list[bool] = []
        start = worker.errands.start

        async def look(order: object) -> object:
            there.append(worker.shared(assignment).is_dir())
            return await start(order)  # type: ignore[arg-type]

        monkeypatch.setattr(worker.errands, "start", look)
        await assignment.carry_out()
        assert there == [True]

    with_worker(workplace, work)


def test_a_bundle_that_cannot_be_read_costs_its_run_an_infrastructure_ending(workplace: Workplace, job_id: str) -> None:
    for archive in workplace.layout.job(job_id).glob("bundle.*"):
        archive.unlink()
        archive.write_bytes(b"no archive")

    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("grade")
        assert await assignment.carry_out() is RunState.PENDING
        ended = worker.trial(assignment)
        assert (ended.state, ended.cause) == ("errored", "harness")
        assert worker.run(assignment).infrastructure == 1

    with_worker(workplace, work)


def test_a_stop_does_not_wait_for_a_shared_file_system_that_hangs(
    workplace: Workplace, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(worker: OneWorker) -> None:
        assignment = await worker.begun("grade")
        begun = asyncio.Event()

        async def hang(_: object) -> None:
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(worker.equipment.bundles, "task", hang)
        carrying = asyncio.create_task(assignment.carry_out())
        await begun.wait()
        assignment.stop(Stopped.PREEMPTED)
        assert await carrying is RunState.PENDING
        assert worker.trial(assignment).state == "preempted"

    with_worker(workplace, work)


def test_a_lease_that_was_lost_to_another_trial_of_this_very_worker_stops_the_first_one(
    workplace: Workplace, job_id: str
) -> None:
    async def work(worker: OneWorker) -> None:
        first = await worker.begun("log_and_wait")
        carrying = asyncio.create_task(first.carry_out())
        await until_begun(worker, first)
        with workplace.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE runs SET state = 'pending', token = token + 1, worker_id = NULL, "
                    "lease_until = NULL, trial_id = NULL, waiting_on = 'dispatch', waiting_since = now()"
                )
            )
            connection.execute(text("UPDATE trials SET state = 'lost', cause = 'host_lost', finished_at = now()"))
        dispatch(workplace.engine, workplace.queue)
        second = await worker.begun("grade")
        assert await carrying is None
        worker.roster.done(first.message)
        assert list(worker.roster.assignments.values()) == [second]
        assert await second.carry_out() is RunState.GRADED

    with_worker(workplace, work)


def test_a_duplicate_of_a_run_in_hand_is_a_message_of_its_own(workplace: Workplace, job_id: str) -> None:
    async def work(worker: OneWorker) -> None:
        first = await worker.begun("grade")
        workplace.queue.send(Priority.NORMAL, [first.message.run_id], group="default")
        duplicate = await worker.received()
        worker.roster.receive(duplicate)
        worker.roster.let_go(duplicate)
        assert list(worker.roster.messages()) == [first.message]
        worker.roster.done(duplicate)
        assert list(worker.roster.assignments.values()) == [first]
        assert not worker.roster.empty.is_set()
        worker.roster.done(first.message)
        assert worker.roster.empty.is_set()

    with_worker(workplace, work)
