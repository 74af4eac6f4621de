"""The shipping loop: what the logs of all trials grew by, every second, and their sizes in one statement."""

import asyncio
import logging

from sqlalchemy.exc import DataError, SQLAlchemyError

from flotilla.store.logs import Shipped, record_shipped
from worker_agent.equipment import Equipment
from worker_agent.roster import Roster

ROUND_SECONDS = 1.0

_log = logging.getLogger(__name__)


class LogShipping:
    """Ships for every trial at once; a size that could not be recorded is recorded with the next round's."""

    def __init__(self, *, equipment: Equipment, roster: Roster) -> None:
        self._equipment = equipment
        self._roster = roster
        self._unrecorded: list[Shipped] = []

    async def run(self) -> None:
        """One round a second, until it is cancelled."""
        while True:
            await self.ship_once()
            await asyncio.sleep(ROUND_SECONDS)

    async def ship_once(self) -> None:
        """One round. A trial whose files cannot be written is reported and tried again; it holds up no other."""
        assignments = list(self._roster.assignments.values())
        grown = await self._equipment.threads.files(
            # Sixty trials that think are looked at in one go; a thread each would cost more than all looks.
            lambda: [one for one in assignments if not one.logs_are_at_rest]
        )
        rounds = await asyncio.gather(*(one.ship() for one in grown), return_exceptions=True)
        for shipped in rounds:
            if isinstance(shipped, Shipped):
                self._unrecorded.append(shipped)
            elif isinstance(shipped, OSError):
                _log.warning("logs were not shipped: %s", shipped)
            elif shipped is not None:
                _log.error("logs were not shipped, by a fault of ours", exc_info=shipped)
        if self._unrecorded:
            await self._record()

    async def _record(self) -> None:
        shipped = self._unrecorded
        try:
            await self._equipment.threads.database(lambda connection: record_shipped(connection, shipped))
        except DataError as fault:  # the final ship of each trial tells its sizes once more, each on its own
            _log.error("shipped sizes were refused: %s", fault)
            self._unrecorded = []
        except SQLAlchemyError as fault:
            _log.warning("shipped sizes were not recorded: %s", fault)
        else:
            self._unrecorded = []
