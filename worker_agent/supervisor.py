"""The worker: its loops beside each other, how it begins and how it ends."""

import asyncio
import contextlib
import logging
import signal
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from flotilla.states import Priority, WorkerState
from flotilla.store.workers import stop_worker
from worker_agent.equipment import Equipment
from worker_agent.health.checkup import checks_of, examine, places_of
from worker_agent.janitor import Janitor
from worker_agent.log_shipping import LogShipping
from worker_agent.receiving import Receiver
from worker_agent.recovery import Recovery
from worker_agent.renewal import Renewal
from worker_agent.roster import Roster
from worker_agent.slots import Slots
from worker_agent.verdict import Stopped
from worker_agent.watchdog import Watchdog

LAST_POLL_SECONDS = 25.0  # a long poll under way ends within 20

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs one worker until it is told to stop. `drain` finishes what runs; `abort` hands it back."""

    def __init__(self, equipment: Equipment, *, watchdog: Watchdog) -> None:
        self._equipment = equipment
        self._watchdog = watchdog
        self._slots = Slots(equipment.settings.slots)
        self._roster = Roster()
        self._recovery = Recovery(
            self._slots,
            places=partial(places_of, equipment.settings, equipment.chosen.docker_host),
            examine=lambda: examine(checks_of(equipment.settings, chosen=equipment.chosen)),
            give_up=self._be_replaced,
        )
        self._janitor = Janitor(equipment.settings, equipment.chosen, trials=self._roster.trial_names)
        self._renewal = Renewal(equipment=equipment, roster=self._roster, unfit=lambda: self._recovery.unfit)
        self._shipping = LogShipping(equipment=equipment, roster=self._roster)
        self._receivers = [
            Receiver(priority, equipment=equipment, slots=self._slots, roster=self._roster, recovery=self._recovery)
            for priority in Priority
        ]
        self._drain = asyncio.Event()
        self._abort = asyncio.Event()

    def drain(self) -> None:
        """Receive nothing more and finish what runs, within the drain time. Asked twice, it aborts."""
        if self._drain.is_set():
            self._abort.set()
        self._drain.set()

    async def _be_replaced(self, reason: str) -> None:
        """A host that does not recover by itself is somebody's to replace."""
        _log.error("this host does not recover, replace it: %s", reason)

    async def run(self) -> None:
        """Works until drained. Raises NurseryDied if no trial can be run any more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.drain)
        background = [
            asyncio.create_task(self._equipment.processes.watch()),
            asyncio.create_task(self._renewal.run()),
            asyncio.create_task(self._shipping.run()),
            asyncio.create_task(self._recovery.run()),
            asyncio.create_task(self._janitor.run()),
            asyncio.create_task(self._watchdog.run()),
        ]
        leaving = asyncio.create_task(self._work_then_leave())
        try:
            done, _ = await asyncio.wait({leaving, *background}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (leaving, *background):
                task.cancel()
            await asyncio.gather(leaving, *background, return_exceptions=True)

    async def _work_then_leave(self) -> None:
        receiving = [asyncio.create_task(receiver.run(self._drain)) for receiver in self._receivers]
        drained = asyncio.create_task(self._drain.wait())
        await asyncio.wait({drained, *receiving}, return_when=asyncio.FIRST_COMPLETED)
        self._renewal.state = WorkerState.DRAINING
        patience = min(LAST_POLL_SECONDS, self._equipment.settings.drain_seconds)
        await asyncio.wait(receiving, timeout=patience)
        for task in receiving:
            if task.done():
                task.result()
            task.cancel()
        await self._finish_or_hand_back()
        with contextlib.suppress(SQLAlchemyError):  # it may be away: the pulse will notice our silence
            await self._equipment.threads.database(
                lambda connection: stop_worker(connection, worker_id=self._equipment.worker_id)
            )

    async def _finish_or_hand_back(self) -> None:
        empty = asyncio.create_task(self._roster.empty.wait())
        aborted = asyncio.create_task(self._abort.wait())
        patience = self._equipment.settings.drain_seconds
        await asyncio.wait({empty, aborted}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        aborted.cancel()
        while not empty.done():
            for assignment in self._roster.assignments.values():
                assignment.stop(Stopped.PREEMPTED)
            await asyncio.wait({empty}, timeout=1.0)  # a claim under way may still bring a run
