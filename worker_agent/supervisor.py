"""The worker: its loops beside each other, how it begins and how it ends."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from flotilla.states import Priority, WorkerState
from flotilla.store.workers import stop_worker
from worker_agent.bounds_watch import BoundsWatch
from worker_agent.equipment import Equipment
from worker_agent.health.checkup import checks_of, examine, places_of
from worker_agent.instance_metadata import InstanceMetadata
from worker_agent.interruption import Course, InterruptionWatch
from worker_agent.janitor import Janitor
from worker_agent.leaving import Leaving, Membership, count_waiting
from worker_agent.lifecycle_hook import LifecycleHook
from worker_agent.log_shipping import LogShipping
from worker_agent.receiving import Receiver
from worker_agent.recovery import Recovery
from worker_agent.renewal import Renewal
from worker_agent.roster import Roster
from worker_agent.slots import Slots
from worker_agent.watchdog import Watchdog

LAST_POLL_SECONDS = 25.0  # a long poll under way ends within 20
LEAVE_AGAIN_SECONDS = 10.0  # between two tries of a worker that may not receive any more

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs one worker until it is told to stop or has left its group.

    `drain` finishes what runs, `abort` hands it back; after `end`, or an abort, it receives nothing ever again.
    """

    def __init__(
        self,
        equipment: Equipment,
        *,
        watchdog: Watchdog,
        membership: Membership | None,
        metadata: InstanceMetadata | None,
    ) -> None:
        self._equipment = equipment
        self._watchdog = watchdog
        self._slots = Slots(equipment.settings.slots)
        self._roster = Roster()
        self._recovery = Recovery(
            self._slots,
            places=partial(places_of, equipment.settings, equipment.chosen.docker_host),
            examine=lambda: examine(checks_of(equipment.settings, chosen=equipment.chosen)),
            give_up=self._be_replaced,
            in_hand=lambda: len(self._roster.assignments),
            pause_stall=equipment.settings.pause_stall,
        )
        self._janitor = Janitor(equipment.settings, equipment.chosen, trials=self._roster.trial_names)
        self._renewal = Renewal(equipment=equipment, roster=self._roster, unfit=lambda: self._recovery.unfit)
        self._shipping = LogShipping(equipment=equipment, roster=self._roster)
        self._bounds = BoundsWatch(equipment=equipment, roster=self._roster)
        self._receivers = [
            Receiver(priority, equipment=equipment, slots=self._slots, roster=self._roster, recovery=self._recovery)
            for priority in Priority
        ]
        self._leaving = self._leaving_of(membership)
        self._hook = _hook_of(membership)
        self._keeping: asyncio.Task[None] | None = None
        self._watch = InterruptionWatch(metadata, heed=self.heed) if metadata else None
        self._drain, self._end, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._recalled = False
        self._signalled_before = False

    def drain(self) -> None:
        """Receive nothing more and finish what runs, however long it takes."""
        self._drain.set()

    def end(self) -> None:
        """Drain for the last time."""
        self._end.set()
        self.drain()

    def abort(self) -> None:
        """Receive nothing more and hand back what runs."""
        self.end()
        self._roster.hand_back(running=True)

    def heed(self, course: Course) -> None:
        """Does what the machine's end asks for; the same course again changes nothing."""
        if course.receive:
            return
        self._recalled = True
        self.drain()
        if course.abort_in == 0:
            self.abort()
        elif not course.begin:
            self.end()
            self._roster.hand_back(running=False)
        if course.terminating:
            self.end()
            self._keep_hook()

    async def run(self) -> None:
        """Works until its end. Raises NurseryDied if no trial can be run any more."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        background = [asyncio.create_task(loop) for loop in self._loops()]
        life = asyncio.create_task(self._live())
        try:
            done, _ = await asyncio.wait({life, *background}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            rest = [task for task in (life, self._keeping, *background) if task is not None]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    def _loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What goes on beside, until the end; one that ends by itself ends the worker."""
        yield self._equipment.processes.watch()
        yield self._renewal.run()
        yield self._shipping.run()
        yield self._bounds.run()
        yield self._recovery.run()
        yield self._janitor.run()
        yield self._watchdog.run()
        if self._watch is not None:
            yield self._watch.run()

    async def _be_replaced(self, reason: str) -> None:
        """A host that does not recover by itself is left; without a group it is somebody's to replace."""
        _log.error("this host does not recover, it is to be replaced: %s", reason)
        if self._leaving is not None:
            self._recalled = True
            self.drain()

    def _signalled(self) -> None:
        """The first signal leaves what runs the drain time; the second hands it back at once."""
        if self._signalled_before:
            self._give_up()
        else:
            self._signalled_before = True
            self.end()
            asyncio.get_running_loop().call_later(self._equipment.settings.drain_seconds, self._give_up)

    def _give_up(self) -> None:
        self.abort()
        self._hurry.set()

    def _keep_hook(self) -> None:
        if self._hook is not None and self._keeping is None:
            self._keeping = asyncio.create_task(self._hook.keep())

    def _leaving_of(self, membership: Membership | None) -> Leaving | None:
        if membership is None:
            return None
        threads, tenure = self._equipment.threads, self._equipment.settings.tenure
        return Leaving(membership, tenure=tenure, roster=self._roster, waiting=lambda: threads.database(count_waiting))

    async def _live(self) -> None:
        while not self._end.is_set():
            await self._work()
            if not self._end.is_set():
                await self._leave_or_stay()
        with contextlib.suppress(SQLAlchemyError):  # it may be away: the pulse will notice our silence
            await self._equipment.threads.database(
                lambda connection: stop_worker(connection, worker_id=self._equipment.worker_id)
            )
        if self._hook is not None and self._keeping is not None:
            self._keeping.cancel()
            await self._hook.complete()

    async def _work(self) -> None:
        """Receives until there is reason not to; returns when nothing is in hand any more."""
        receiving = [asyncio.create_task(receiver.run(self._drain)) for receiver in self._receivers]
        reasons: list[asyncio.Task[Any]] = [asyncio.create_task(self._drain.wait())]
        if self._leaving is not None:
            reasons.append(asyncio.create_task(self._leaving.until_due()))
        await asyncio.wait([*reasons, *receiving], return_when=asyncio.FIRST_COMPLETED)
        _let_go(reasons)
        self.drain()
        self._renewal.state = WorkerState.DRAINING
        await self._last_polls(receiving)
        await self._roster.empty.wait()

    async def _last_polls(self, receiving: Sequence[asyncio.Task[None]]) -> None:
        """What a poll under way still brings is given back, so it is waited for, unless the worker must hurry."""
        hurried = asyncio.create_task(self._hurry.wait())
        returned = asyncio.create_task(asyncio.wait(receiving))
        patience = LAST_POLL_SECONDS if self._end.is_set() else None
        await asyncio.wait({hurried, returned}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        _let_go([hurried, returned, *receiving])

    async def _leave_or_stay(self) -> None:
        """With nothing in hand: once its group lets it go it awaits its end; else it receives again, if it may."""
        if self._leaving is None or await self._leaving.leave(recalled=self._recalled):
            await self._end.wait()
        elif self._recalled:
            await asyncio.wait([asyncio.create_task(self._end.wait())], timeout=LEAVE_AGAIN_SECONDS)
        else:
            self._drain.clear()
            self._renewal.state = WorkerState.ACCEPTING


def _hook_of(membership: Membership | None) -> LifecycleHook | None:
    if membership is None or membership.hook is None:
        return None
    return LifecycleHook(membership.group, instance=membership.instance, name=membership.hook)


def _let_go(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancels what is not done. Raises what one of the others raised."""
    for task in tasks:
        if task.done():
            task.result()
        else:
            task.cancel()
