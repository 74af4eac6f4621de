"""The renewal loop: every lease of this worker in one statement, every message in batches, and what came back of it."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from sqlalchemy.exc import SQLAlchemyError

from flotilla.messages import Message
from flotilla.queue import QueueUnavailable
from flotilla.states import WorkerState
from flotilla.store.endings import LeaseLost, give_back_unknown
from flotilla.store.leases import Lease, Renewed, Superseded, renew
from worker_agent.equipment import Equipment
from worker_agent.roster import Roster
from worker_agent.verdict import Stopped

RETRY_SECONDS = 5.0  # after leases were not renewed: when the database is back, every second counts

_log = logging.getLogger(__name__)


class Renewal:
    """Keeps what the worker has, delivers cancellations, and notices what it has lost or never knew."""

    def __init__(self, *, equipment: Equipment, roster: Roster, unfit: Callable[[], str | None]) -> None:
        self._equipment = equipment
        self._roster = roster
        self._unfit = unfit
        self.state = WorkerState.ACCEPTING

    async def run(self) -> None:
        """Renews three times a lease, until it is cancelled. Lost contact is reported and outlived.

        Raises Superseded: a newer incarnation of this worker is at work.
        """
        pause = self._equipment.settings.renewal_seconds
        while True:
            renewed = await self.renew_once()
            await asyncio.sleep(pause if renewed else min(pause, RETRY_SECONDS))

    async def renew_once(self) -> bool:
        """One round; says whether the leases were renewed. A database that hangs holds no message's renewal up."""
        renewed, _ = await asyncio.gather(self._renew_leases(), self._hide_messages())
        return renewed

    async def _renew_leases(self) -> bool:
        """Runs that were claimed while it was under way are left to the next round."""
        known = set(self._roster.assignments)
        claiming = self._roster.claiming()
        try:
            renewed = await self._ask(busy=len(known))
        except SQLAlchemyError as fault:
            _log.warning("leases were not renewed: %s", fault)
            return False
        except Superseded:
            self._drop_lost(self._roster.assignments)
            raise
        self._deliver(renewed)
        self._drop_lost(known - {one.lease.trial_id for one in renewed})
        known |= self._roster.assignments.keys()
        claiming |= self._roster.claiming()
        leases = [one.lease for one in renewed]
        await self._give_back(one for one in leases if one.trial_id not in known and one.run_id not in claiming)
        return True

    async def _ask(self, *, busy: int) -> list[Renewed]:
        unfit = self._unfit() if self.state is WorkerState.ACCEPTING else None
        state = self.state if unfit is None else WorkerState.UNFIT
        room = self._equipment.admission.room(self._equipment.settings.slots - busy)
        return await self._equipment.threads.renewal(
            lambda connection: renew(
                connection,
                worker_id=self._equipment.worker_id,
                lease_seconds=self._equipment.settings.lease_seconds,
                busy=busy,
                room=room,
                state=state,
                reason=unfit,
            )
        )

    def _deliver(self, renewed: Iterable[Renewed]) -> None:
        for one in renewed:
            assignment = self._roster.assignments.get(one.lease.trial_id)
            if assignment is not None and one.cancel_requested:
                assignment.stop(Stopped.CANCELLED)

    def _drop_lost(self, trial_ids: Iterable[str]) -> None:
        """A trial that we carry out and whose lease was not renewed is over, or its run another's; it is stopped."""
        for trial_id in trial_ids:
            if trial_id in self._roster.assignments:
                self._roster.assignments[trial_id].stop(Stopped.LEASE_LOST)

    async def _give_back(self, leases: Iterable[Lease]) -> None:
        """A claim whose answer was lost, or a fault of ours in a slot: the run goes back."""
        for lease in leases:
            _log.warning("run %s is leased to this worker, which does not have it: given back", lease.run_id)
            try:
                await self._equipment.threads.database(
                    lambda connection, lease=lease: give_back_unknown(  # type: ignore[misc]
                        connection, run_id=lease.run_id, token=lease.token, trial_id=lease.trial_id
                    )
                )
                await self._equipment.threads.send(
                    lambda lease=lease: self._equipment.send_again([lease.run_id])  # type: ignore[misc]
                )
            except (LeaseLost, SQLAlchemyError, QueueUnavailable) as fault:
                _log.warning("run %s was not given back: %s", lease.run_id, fault)

    async def _hide_messages(self) -> None:
        """What can be hidden no longer (its twelve hours are over, or it was received anew) is let go."""
        seconds = round(self._equipment.settings.lease_seconds)
        async with self._roster.hiding:
            hidden = dict.fromkeys(self._roster.messages(), seconds)
            try:
                refused = await self._equipment.threads.queue(lambda: self._equipment.queue.hide(hidden))
            except QueueUnavailable as fault:
                _log.warning("messages were not hidden on: %s", fault)
                return
        for one in refused:
            _log.info("a message was not hidden on: %s", one.fault)
            if one.gone and isinstance(one.message, Message):
                self._roster.let_go(one.message)
