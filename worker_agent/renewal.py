"""The renewal loop: every lease of this worker in one statement, every message in batches, and what came back of it."""

import asyncio
import logging
from collections.abc import Iterable

from sqlalchemy.exc import SQLAlchemyError

from flotilla.queue import QueueUnavailable
from flotilla.states import WorkerState
from flotilla.store.endings import LeaseLost, give_back_unknown
from flotilla.store.leases import Lease, Renewed, renew
from worker_agent.equipment import Equipment
from worker_agent.roster import Roster
from worker_agent.verdict import Stopped

_log = logging.getLogger(__name__)


class Renewal:
    """Keeps what the worker has, delivers cancellations, and notices what it has lost or never knew."""

    def __init__(self, *, equipment: Equipment, roster: Roster) -> None:
        self._equipment = equipment
        self._roster = roster
        self.state = WorkerState.ACCEPTING

    async def run(self) -> None:
        """Renews three times a lease, until it is cancelled. Lost contact is reported and outlived."""
        while True:
            await self.renew_once()
            await asyncio.sleep(self._equipment.settings.renewal_seconds)

    async def renew_once(self) -> None:
        """One round. Runs that were claimed while it was under way are left to the next one."""
        known = dict(self._roster.assignments)
        mine = self._roster.run_ids()
        try:
            renewed = await self._renew_leases(busy=len(known))
        except SQLAlchemyError as fault:
            _log.warning("leases were not renewed: %s", fault)
        else:
            self._deliver(renewed)
            self._drop_lost(known.keys() - {one.lease.run_id for one in renewed})
            mine |= self._roster.run_ids()
            await self._give_back([one.lease for one in renewed if one.lease.run_id not in mine])
        await self._hide_messages()

    async def _renew_leases(self, *, busy: int) -> list[Renewed]:
        settings, worker_id, state = self._equipment.settings, self._equipment.worker_id, self.state
        return await self._equipment.threads.renewal(
            lambda connection: renew(
                connection, worker_id=worker_id, lease_seconds=settings.lease_seconds, busy=busy, state=state
            )
        )

    def _deliver(self, renewed: Iterable[Renewed]) -> None:
        for one in renewed:
            assignment = self._roster.assignments.get(one.lease.run_id)
            if assignment is None:
                continue
            if assignment.run.lease != one.lease:
                assignment.stop(Stopped.LEASE_LOST)
            elif one.cancel_requested:
                assignment.stop(Stopped.CANCELLED)

    def _drop_lost(self, run_ids: Iterable[str]) -> None:
        """A run that we carry out and the database did not renew is over or another's; its slot is freed."""
        for run_id in run_ids:
            if run_id in self._roster.assignments:
                self._roster.assignments[run_id].stop(Stopped.LEASE_LOST)

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
                await self._equipment.threads.queue(
                    lambda lease=lease: self._equipment.send_again([lease.run_id])  # type: ignore[misc]
                )
            except (LeaseLost, SQLAlchemyError, QueueUnavailable) as fault:
                _log.warning("run %s was not given back: %s", lease.run_id, fault)

    async def _hide_messages(self) -> None:
        seconds = round(self._equipment.settings.lease_seconds)
        hidden = dict.fromkeys(self._roster.messages(), seconds)
        try:
            await self._equipment.threads.queue(lambda: self._equipment.queue.hide(hidden))
        except QueueUnavailable as fault:
            _log.warning("messages were not hidden on: %s", fault)
