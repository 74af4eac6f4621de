"""Calls that come together go out together, and one that fails costs nobody else more than that call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from worker_agent.gathering import Gathering

BOUND_SECONDS = 10


class Calls:
    """What was called with what; each call waits until it may answer."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []
        self.answer = asyncio.Event()
        self.begun = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self, items: Sequence[int]) -> None:
        self.made.append(list(items))
        self.begun.set()
        await self.answer.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault


def gathered(work: Callable[[Gathering[int], Calls], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS):
            calls = Calls()
            await work(Gathering(calls), calls)

    asyncio.run(run())


def test_what_is_asked_for_in_one_moment_goes_out_in_one_call() -> None:
    async def work(gathering: Gathering[int], calls: Calls) -> None:
        calls.answer.set()
        await asyncio.gather(*(gathering.add(number) for number in range(60)))
        assert calls.made == [[*range(60)]]

    gathered(work)


def test_what_comes_while_a_call_is_under_way_goes_out_with_the_next_one() -> None:
    async def work(gathering: Gathering[int], calls: Calls) -> None:
        first = asyncio.create_task(gathering.add(0))
        await calls.begun.wait()
        rest = [asyncio.create_task(gathering.add(number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        calls.answer.set()
        await asyncio.gather(first, *rest)
        assert calls.made == [[0], [1, 2, 3, 4, 5]]

    gathered(work)


def test_all_that_a_failed_call_was_for_hear_of_it_and_the_next_call_is_made_all_the_same() -> None:
    async def work(gathering: Gathering[int], calls: Calls) -> None:
        calls.fault = ConnectionError("the queue is away")
        calls.answer.set()
        answers = await asyncio.gather(gathering.add(1), gathering.add(2), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["the queue is away"] * 2
        await gathering.add(3)
        assert calls.made == [[1, 2], [3]]

    gathered(work)


def test_who_asks_no_more_holds_nobody_up() -> None:
    async def work(gathering: Gathering[int], calls: Calls) -> None:
        patient, hasty = (asyncio.create_task(gathering.add(number)) for number in (1, 2))
        await calls.begun.wait()
        hasty.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hasty
        calls.answer.set()
        await patient

    gathered(work)
