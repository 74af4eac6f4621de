"""The Lambda function of the pulse: invoked each minute, and after each job, it ticks as long as there is work."""

import logging
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3

from flotilla.archive import Limits
from flotilla.aws import brief_calls
from flotilla.caretaker import Caretaker
from flotilla.cloudwatch import Publisher
from flotilla.database_secret import open_database
from flotilla.layout import Layout
from flotilla.pulse import Beat, Pulse, keep_beating
from flotilla.queue import RunQueue, sqs_client
from flotilla.settings import FleetPulseSettings, read
from flotilla.worker_group import WorkerGroup

SETTINGS = FleetPulseSettings
LAST_TICK_SECONDS = 50.0
"""No tick begins later than this after the first; the next minute's invocation takes over where this one ends."""

_log = logging.getLogger(__name__)


class Shift:
    """One invocation's time: ticks on every tenth second from its beginning, until it is idle, not leading, or over."""

    def __init__(self, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._began = clock()
        self.last: Beat | Exception | None = None

    def report(self, beat: Beat | Exception) -> None:
        """Remembers what the last tick did, and says so."""
        self.last = beat
        if isinstance(beat, Exception):
            _log.warning("a tick of the pulse failed, the next one tries again: %s", beat)
        else:
            _log.info("%s", beat)

    def wait(self, seconds: float) -> bool:
        """Sleeps until the next mark; returns whether the shift is over."""
        spent = self._clock() - self._began
        mark = (spent // seconds + 1) * seconds
        if not self._goes_on() or mark > LAST_TICK_SECONDS:
            return True
        self._sleep(mark - spent)
        return False

    def _goes_on(self) -> bool:
        return isinstance(self.last, Exception) or (self.last is not None and self.last.led and self.last.work)


def build(settings: FleetPulseSettings) -> Pulse:
    """The pulse with all that it needs, for many invocations, one at a time."""
    engine = open_database(settings, pool_size=1)
    caretaker = Caretaker(
        engine=engine,
        group=WorkerGroup(boto3.client("autoscaling", config=brief_calls()), name=settings.group),
        publisher=Publisher(boto3.client("cloudwatch", config=brief_calls()), stage=settings.stage),
        slots=settings.slots,
        boot_seconds=settings.boot_seconds,
    )
    client = sqs_client(endpoint_url=settings.endpoint_url, region=settings.region, access_key=settings.access_key)
    return Pulse(
        engine=engine,
        queue=RunQueue(client, urls=settings.queue_urls),
        layout=Layout(settings.shared),
        lease_seconds=settings.lease_seconds,
        limits=Limits(),
        caretaker=caretaker,
    )


@cache
def pulse() -> Pulse:
    """Built once a cold start."""
    return build(read(os.environ, SETTINGS))


def beat_for(pulse: Pulse, shift: Shift) -> None:
    """Ticks for one shift; where another pulse leads, only sends what waits, so that a new job need not wait for it.

    Raises what the last tick raised, if it did, so that the function's errors are counted.
    """
    keep_beating(pulse, wait=shift.wait, report=shift.report)
    if isinstance(shift.last, Exception):
        raise shift.last
    if shift.last is not None and not shift.last.led:
        pulse.send()


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ARG001 - whoever invokes it wants the same
    """Takes the schedule's event, and an asynchronous one after a job."""
    logging.getLogger().setLevel(logging.INFO)
    beat_for(pulse(), Shift(clock=time.monotonic, sleep=time.sleep))
