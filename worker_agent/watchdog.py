"""What systemd is told of a worker: that it has registered, that its event loop turns, and that it ends."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from typing import Self

FEEDS_A_PERIOD = 3  # two may be late before systemd takes the worker for stuck

_log = logging.getLogger(__name__)


class Watchdog:
    """Speaks systemd's notification protocol. Without an address, as under `flotilla up`, it tells nobody.

    It is fed by the supervisor's event loop, and by nothing that a database, a queue or a file system answers: contact
    that is lost must not end trials. The supervisor's other loops need no food of their own: it ends when one ends.
    """

    def __init__(self, *, address: str | None, period_seconds: float | None) -> None:
        self._address = address
        self._period_seconds = period_seconds

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The one that systemd names in our variables, if they are meant for this process."""
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environ.get("WATCHDOG_USEC") if meant else None
        period = int(microseconds) / 1_000_000 if microseconds else None
        return cls(address=environ.get("NOTIFY_SOCKET") or None, period_seconds=period)

    def ready(self) -> None:
        """The worker has registered: it counts from now on."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The worker has nothing more to do. Not sooner: systemd waits from now on only as long as a stop may take."""
        self._tell("STOPPING=1")

    async def run(self) -> None:
        """Feeds the watchdog as long as the loop turns, until it is cancelled."""
        while self._period_seconds is not None:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._period_seconds / FEEDS_A_PERIOD)
        await asyncio.Event().wait()  # there is none; the supervisor's loops end together

    def _tell(self, state: str) -> None:
        if self._address is None:
            return
        abstract = self._address.startswith("@")
        address = f"\0{self._address[1:]}" if abstract else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
                channel.sendto(state.encode(), address)
        except OSError as fault:  # systemd is away or busy, and will judge by itself
            _log.warning("systemd was not told %s: %s", state, fault)
