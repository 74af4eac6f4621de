"""How a worker's host is kept fit: endings are heeded, room on its disks is watched, a sick host is checked."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from flotilla.store.endings import Ending
from worker_agent import pressure
from worker_agent.fitness import HOPELESS_SECONDS, Fitness, Phase, after_checkup, after_ending
from worker_agent.health.blocking import in_thread
from worker_agent.health.finding import Finding, reason
from worker_agent.health.room import measure_all, shortage
from worker_agent.pressure import Stalls
from worker_agent.slots import Slots

LOOK_SECONDS = 3.0  # sixty trials that write 50 MB a second each need longer for the last gigabyte's half
MEASURE_SECONDS = 5.0  # a statvfs that takes longer says nothing of the room

_log = logging.getLogger(__name__)


class Recovery:
    """Closes and opens the slots of one worker. `unfit` is why it does not take on all it could, or None.

    `examine` is its checkup; `give_up` is told once if it was unfit for so long that its host should be replaced.
    While more than `pause_stall` of the host's time stands still it receives nothing, unless it has nothing in hand.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        places: Callable[[], Awaitable[Sequence[Path]]],
        examine: Callable[[], Awaitable[list[Finding]]],
        give_up: Callable[[str], Awaitable[None]],
        in_hand: Callable[[], int] = lambda: 0,
        pause_stall: float = 1.0,
        stalls: Callable[[], Stalls | None] = pressure.read,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = slots
        self._ask_places = places
        self._places: Sequence[Path] = ()
        self._examine = examine
        self._give_up = give_up
        self._in_hand = in_hand
        self._pause_stall = pause_stall
        self._stalls = stalls
        self._clock = clock
        self._fitness = Fitness()
        self._short: str | None = None
        self._pressing: str | None = None
        self._unfit_since: float | None = None
        self._given_up = False
        self._sick = asyncio.Event()

    @property
    def unfit(self) -> str | None:
        """Why the worker takes on less than it could."""
        return self._broken or self._pressing

    @property
    def _broken(self) -> str | None:
        """What a pause alone does not mend."""
        return self._short or self._fitness.reason

    async def ended(self, ending: Ending, *, term: int) -> None:
        """Heeds a trial's ending; one that began before the slots were last closed or opened says nothing new."""
        if term == self._slots.term:
            await self._become(after_ending(self._fitness, ending=ending.state, cause=ending.cause))

    async def run(self) -> None:
        """Watches and recovers, until it is cancelled."""
        self._places = await self._ask_places()
        await asyncio.gather(self._watch_room(), self._recover())

    async def look_at_room(self) -> None:
        """One look at the disks: below the floor nothing is received, above it again what fitness allows."""
        try:
            async with asyncio.timeout(MEASURE_SECONDS):
                rooms = await in_thread(lambda: measure_all(self._places))
        except OSError as fault:  # a TimeoutError is one
            _log.warning("the room on the disks was not measured: %s", fault)
            return
        short = shortage(rooms, was_short=self._short is not None)
        if (short is None) == (self._short is None):
            self._short = short
            return
        self._short = short
        _log.warning("receiving stops: %s", short) if short else _log.info("there is enough room again")
        await self._set_slots()

    async def look_at_pressure(self) -> None:
        """One look at the host's stalls; with no trial in hand there is none to wait for, and one is tried."""
        was = self._pressing
        found = pressure.pressing(self._stalls(), limit=self._pause_stall, was_pressing=was is not None)
        self._pressing = found if self._in_hand() else None
        if (self._pressing is None) != (was is None):
            _log.warning("receiving pauses: %s", found) if self._pressing else _log.info("receiving goes on")
            # No new term: the endings of trials that live through a pause must go on telling whether the host is sick.
            await self._slots.pause(self._pressing is not None)

    async def recover_once(self) -> None:
        """One checkup of a sick host."""
        findings = await self._examine()
        broken = reason(findings) or None
        _log.warning("this host was checked: %s", broken or "nothing is broken, one run is tried")
        await self._become(after_checkup(self._fitness, broken=broken))

    async def _watch_room(self) -> None:
        while True:
            await self.look_at_room()
            await self.look_at_pressure()
            await self.despair()
            await asyncio.sleep(LOOK_SECONDS)

    async def _recover(self) -> None:
        while True:
            await self._sick.wait()
            await asyncio.sleep(self._fitness.pause_seconds)
            await self.recover_once()

    async def _become(self, fitness: Fitness) -> None:
        before, self._fitness = self._fitness, fitness
        if fitness.phase is Phase.SICK:
            self._sick.set()
        else:
            self._sick.clear()
        if fitness.phase is not before.phase:
            _log.warning("this host was %s and is %s: %s", before.phase, fitness.phase, fitness.reason or "all is well")
            await self._set_slots()

    async def _set_slots(self) -> None:
        await self._slots.limit(0 if self._short else self._fitness.most)

    async def despair(self) -> None:
        """Gives the host up, once, if it was unfit for too long."""
        if self._broken is None:
            self._unfit_since, self._given_up = None, False
            return
        now = self._clock()
        self._unfit_since = now if self._unfit_since is None else self._unfit_since
        if now - self._unfit_since >= HOPELESS_SECONDS and not self._given_up:
            self._given_up = True
            await self._give_up(self._broken)
