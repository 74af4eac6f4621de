"""How many trials a worker may take on: slots are reserved before the call that may fill them."""

import asyncio
from dataclasses import dataclass

from flotilla.states import Priority

MOST_A_CALL = 10  # messages, by SQS's own limit
LONG_POLL_SECONDS = 20  # SQS's own limit
SHORT_POLL_SECONDS = 1  # what is promised to one queue is kept from the other: while little is free, not for long


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Slots held for one receive call, and how long that call may wait; `term` is the one that they were given in."""

    priority: Priority
    slots: int
    wait_seconds: int
    term: int


class Slots:
    """The free slots of one worker, shared out between two queues.

    High fills first: while its queue gives full hands, normal runs keep one slot in ten. While it is empty its poll
    holds a single slot, and when that is the last free one the two queues take turns with it.

    A limit begins a new term: what was held before does not count towards it, and runs on. A pause begins none.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.term = 0
        self._limit = total
        self._held_in_term = 0
        self._paused = False
        self._held = {Priority.HIGH: 0, Priority.NORMAL: 0}
        self._rushed = False
        self._last_slot_went_to = Priority.HIGH
        self._waiting: set[Priority] = set()
        self._changed = asyncio.Condition()

    @property
    def free(self) -> int:
        """Slots that neither run a trial nor are reserved, as far as they are not closed."""
        return 0 if self._paused else min(self.total - sum(self._held.values()), self._limit - self._held_in_term)

    async def pause(self, paused: bool) -> None:
        """Gives none out for a while; what is held still counts towards the limit and for its term."""
        async with self._changed:
            self._paused = paused
            self._changed.notify_all()

    async def limit(self, most: int | None) -> None:
        """From now on so many slots are given out at a time, beside those that are held; None opens all."""
        async with self._changed:
            self.term += 1
            self._limit = self.total if most is None else min(most, self.total)
            self._held_in_term = 0
            self._rushed = False
            self._changed.notify_all()

    def still_stands(self, reservation: Reservation) -> bool:
        """Whether what a call brings may be taken on: not if slots were closed since it was made, or are paused."""
        return not self._paused and (reservation.term == self.term or self._limit == self.total)

    async def reserve(self, priority: Priority) -> Reservation:
        """Waits until this queue may have at least one slot, and holds what it may have."""
        async with self._changed:
            self._waiting.add(priority)
            await self._changed.wait_for(lambda: self._allowed(priority) > 0)
            slots = min(self._allowed(priority), MOST_A_CALL)
            self._waiting.discard(priority)
            if priority is Priority.HIGH and not self._rushed:
                slots = 1
            if self.free == slots:
                self._last_slot_went_to = priority
            self._hold(priority, slots, term=self.term)
            wait = LONG_POLL_SECONDS if self.free >= MOST_A_CALL else SHORT_POLL_SECONDS
            return Reservation(priority=priority, slots=slots, wait_seconds=wait, term=self.term)

    async def settle(self, reservation: Reservation, *, used: int) -> None:
        """Gives back what a call did not fill, and learns from it whether high has more."""
        async with self._changed:
            self._hold(reservation.priority, used - reservation.slots, term=reservation.term)
            if reservation.priority is Priority.HIGH:
                self._rushed = used == reservation.slots
            self._changed.notify_all()

    async def release(self, reservation: Reservation) -> None:
        """A slot of that call is free again."""
        async with self._changed:
            self._hold(reservation.priority, -1, term=reservation.term)
            self._changed.notify_all()

    def _hold(self, priority: Priority, more: int, *, term: int) -> None:
        self._held[priority] += more
        self._held_in_term += more if term == self.term else 0

    def _allowed(self, priority: Priority) -> int:
        if self.free == 1 and self._waiting != {priority} and self._last_slot_went_to is priority:
            return 0  # the other queue's turn
        kept_for_normal = max(self._limit // 10 - self._held[Priority.NORMAL], 0)
        if priority is Priority.HIGH:
            return self.free - kept_for_normal
        return min(self.free, kept_for_normal) if self._rushed else self.free
