"""How two queues share a worker's slots."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps

from flotilla.states import Priority
from worker_agent.slots import LONG_POLL_SECONDS, SHORT_POLL_SECONDS, Reservation, Slots

HIGH, NORMAL = Priority.HIGH, Priority.NORMAL


def in_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), timeout=10))

    return run


async def _fill(slots: Slots, priority: Priority, *, used: int) -> Reservation:
    reservation = await slots.reserve(priority)
    await slots.settle(reservation, used=used)
    return reservation


@in_a_loop
async def test_an_idle_high_queue_holds_one_slot_and_waits_long() -> None:
    reservation = await Slots(60).reserve(HIGH)
    assert (reservation.slots, reservation.wait_seconds) == (1, LONG_POLL_SECONDS)


@in_a_loop
async def test_while_few_slots_are_free_none_is_promised_for_long() -> None:
    slots = Slots(4)
    assert (await slots.reserve(HIGH)).wait_seconds == SHORT_POLL_SECONDS
    assert (await slots.reserve(NORMAL)).wait_seconds == SHORT_POLL_SECONDS


@in_a_loop
async def test_a_call_is_never_for_more_than_ten_messages() -> None:
    assert (await Slots(60).reserve(NORMAL)).slots == 10


@in_a_loop
async def test_no_more_is_reserved_than_is_free() -> None:
    slots = Slots(4)
    await _fill(slots, NORMAL, used=3)
    assert (await slots.reserve(NORMAL)).slots == 1
    assert slots.free == 0


@in_a_loop
async def test_a_full_hand_from_high_lets_it_take_more_and_keeps_one_slot_in_ten_for_normal() -> None:
    slots = Slots(20)
    await _fill(slots, HIGH, used=1)
    assert (await slots.reserve(HIGH)).slots == 10
    assert (await slots.reserve(NORMAL)).slots == 2


@in_a_loop
async def test_what_a_call_did_not_fill_is_free_again() -> None:
    slots = Slots(10)
    await _fill(slots, NORMAL, used=3)
    assert slots.free == 7


@in_a_loop
async def test_every_slot_can_be_used_by_normal_runs_while_high_is_empty() -> None:
    slots = Slots(3)
    for _ in range(3):
        high = await slots.reserve(HIGH)
        await slots.settle(high, used=0)
        normal = await slots.reserve(NORMAL)
        await slots.settle(normal, used=1)
    assert slots.free == 0


@in_a_loop
async def test_the_last_slot_is_polled_shortly_and_by_turns() -> None:
    slots = Slots(1)
    high = await slots.reserve(HIGH)
    waiting = asyncio.create_task(slots.reserve(NORMAL))
    await asyncio.sleep(0)
    await slots.settle(high, used=0)
    again = asyncio.create_task(slots.reserve(HIGH))
    normal = await waiting
    assert (normal.wait_seconds, again.done()) == (SHORT_POLL_SECONDS, False)
    await slots.settle(normal, used=0)
    assert (await again).slots == 1


@in_a_loop
async def test_a_released_slot_wakes_the_one_who_waits_for_it() -> None:
    slots = Slots(1)
    held = await _fill(slots, NORMAL, used=1)
    waiting = asyncio.create_task(slots.reserve(NORMAL))
    await slots.release(held)
    assert (await waiting).slots == 1


@in_a_loop
async def test_closed_slots_are_given_to_nobody_and_what_a_call_under_way_brings_is_unwanted() -> None:
    slots = Slots(20)
    under_way = await slots.reserve(NORMAL)
    await slots.limit(0)
    waiting = asyncio.create_task(slots.reserve(NORMAL))
    await asyncio.sleep(0)
    assert (slots.still_stands(under_way), waiting.done(), slots.free) == (False, False, 0)
    await slots.limit(None)
    assert slots.still_stands(under_way)
    assert (await waiting).slots == 10


@in_a_loop
async def test_a_limit_is_beside_what_is_held_from_before_and_for_either_queue() -> None:
    slots = Slots(60)
    before = await _fill(slots, NORMAL, used=10)
    for priority in (HIGH, NORMAL):
        await slots.limit(1)
        one = await _fill(slots, priority, used=1)
        assert slots.free == 0
        await slots.release(before)
        assert slots.free == 0, "what ended was held from before"
        waiting = asyncio.create_task(slots.reserve(priority))
        await slots.release(one)
        assert (await waiting).slots == 1
        waiting.cancel()


@in_a_loop
async def test_a_limit_never_gives_out_more_than_there_is() -> None:
    slots = Slots(2)
    await _fill(slots, NORMAL, used=2)
    await slots.limit(1)
    assert slots.free == 0
