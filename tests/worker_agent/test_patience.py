"""Time for what may fail for a while: endless, or cut short from outside."""

import asyncio
import contextlib

import pytest
from sqlalchemy.exc import DataError, OperationalError

from worker_agent import patience
from worker_agent.patience import Patience


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.001)


class Attempts:
    """Something that fails in one way after the other, and then succeeds."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)

    async def __call__(self) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "done"


def test_what_the_file_system_or_the_database_refuses_for_a_while_is_done_in_the_end() -> None:
    work = Attempts(OSError("no space"), OperationalError("SELECT 1", None, Exception("gone")), TimeoutError())
    assert asyncio.run(Patience().insist(work, what="it")) == "done"


def test_what_postgresql_refuses_for_what_it_says_is_not_tried_again() -> None:
    work = Attempts(DataError("INSERT", None, Exception("invalid byte sequence")))
    with pytest.raises(DataError):
        asyncio.run(Patience().insist(work, what="it"))


def test_who_waits_for_a_file_system_that_hangs_is_let_go_when_the_time_is_cut() -> None:
    async def run() -> None:
        waiting, begun = Patience(), asyncio.Event()

        async def hang() -> None:
            begun.set()
            await asyncio.Event().wait()

        insisting = asyncio.create_task(waiting.insist(hang, what="it"))
        await begun.wait()
        waiting.end_in(60)
        waiting.end_in(0.01)
        waiting.end_in(60)  # the earliest end counts
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(insisting, 10)

    asyncio.run(run())


def test_time_that_was_cut_before_anything_was_tried_is_over() -> None:
    async def run() -> None:
        over = Patience()
        over.end_in(0)
        with pytest.raises(TimeoutError):
            await over.insist(Attempts(OSError("always")), what="it")

    asyncio.run(run())


def test_waiting_ends_with_the_time_and_leaves_what_was_awaited_alone() -> None:
    async def run() -> bool:
        waiting, process = Patience(), asyncio.get_running_loop().create_future()
        waiting.end_in(0.01)
        with contextlib.suppress(asyncio.CancelledError):
            await waiting.wait(process)
        return process.cancelled()

    assert asyncio.run(run()) is False
