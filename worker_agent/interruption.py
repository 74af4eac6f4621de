"""What a worker does about its machine's end: one pure decision, and the loop that reads, decides and has it heeded."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker_agent.instance_metadata import InstanceMetadata, MetadataUnavailable, Notices

READ_SECONDS = 2.0
LONGEST_NOTICE_SECONDS = 120.0  # AWS gives no more, so a clock that is behind must not believe in more
LAST_SECONDS = 40.0
"""So long before the end everything is handed back. AWS promises no more than an attempt at two minutes."""
TERMINATED = "Terminated"
"""The target lifecycle state of an instance that its group ends."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What to do now. `abort_in` is how many seconds what runs may still have; None is as long as it takes.

    Who does not begin what it has gives it back; who is `terminating` keeps the group's hook alive until it is done.
    """

    receive: bool = True
    begin: bool = True
    abort_in: float | None = None
    terminating: bool = False


def course(notices: Notices, *, now: datetime) -> Course:
    """A spot notice leaves little time; the group and a rebalance recommendation leave as much as the trials need."""
    terminating = notices.target == TERMINATED
    if notices.ends is not None:
        left = (notices.ends - now).total_seconds() - LAST_SECONDS
        return Course(receive=False, begin=False, abort_in=max(left, 0.0), terminating=terminating)
    return Course(receive=not (notices.rebalance or terminating), terminating=terminating)


def remember(before: Notices, read: Notices, *, now: datetime) -> Notices:
    """What holds after another reading: a notice is never taken back, and the soonest end is believed."""
    ends = [end for end in (before.ends, read.ends) if end is not None]
    if read.ends is not None:
        ends.append(now + timedelta(seconds=LONGEST_NOTICE_SECONDS))
    return Notices(
        ends=min(ends) if ends else None,
        rebalance=before.rebalance or read.rebalance,
        target=before.target if before.target == TERMINATED else read.target,
    )


class InterruptionWatch:
    """Reads the metadata every two seconds and has the course heeded, the same one again as long as it holds."""

    def __init__(
        self,
        metadata: InstanceMetadata,
        *,
        heed: Callable[[Course], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._heed = heed
        self._now = now
        self._known = Notices()
        self._answers = True

    async def run(self) -> None:
        """Until it is cancelled. Silence is reported once and outlived; what was read before still holds."""
        try:
            while True:
                await self._read()
                ahead = course(self._known, now=self._now())
                self._heed(ahead)
                await asyncio.sleep(min(READ_SECONDS, ahead.abort_in or READ_SECONDS))
        finally:
            self._metadata.close()

    async def _read(self) -> None:
        try:
            read = await asyncio.to_thread(self._metadata.read)
        except MetadataUnavailable as fault:
            if self._answers:
                _log.warning("an interruption would not be noticed: %s", fault)
            self._answers = False
            return
        if not self._answers:
            _log.info("the instance metadata answers again")
        self._answers = True
        known = remember(self._known, read, now=self._now())
        if known != self._known:
            _log.warning("the instance metadata say: %s", known)
        self._known = known
