"""The API under uvicorn, with the pulse and the dead letters' office beside it, in one process of a local stack.

It is `python -m flotilla.local.server`.
"""

import argparse
import logging
import os
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from sqlalchemy import Engine

from api.app import ApiContext, create_app
from flotilla import database
from flotilla.archive import Limits
from flotilla.dead_letters import DeadLetterOffice
from flotilla.layout import Layout
from flotilla.local.dead_letters import keep_settling
from flotilla.local.doorbell import Doorbell
from flotilla.local.queues import REGION
from flotilla.pulse import Beat, Pulse, keep_beating
from flotilla.queue import RunQueue, sqs_client
from flotilla.settings import read
from flotilla.states import Priority

CONNECTIONS = 50  # as many as FastAPI has threads, and those of the followers, the pulse and the dead letters
PULSE_NOW = signal.SIGUSR1  # the supervisor sends it when the queue was emptied
HOLDER = "local"  # one stack has one pulse: after a restart it leads at once
GRACE_SECONDS = 1  # for requests under way; who follows a log is cut off, and comes back by itself

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What the stack hands to its server; the queue has an endpoint and a key of the stack's own."""

    database_url: str = field(repr=False)
    shared: Path
    queue_url: str
    queue_high_url: str
    endpoint_url: str = field(metadata={"variable": "AWS_ENDPOINT_URL"})
    access_key: str = field(repr=False, metadata={"variable": "AWS_ACCESS_KEY_ID"})
    lease_seconds: float = 90.0
    allow_host_access: bool = False


def main(given: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM."""
    arguments = _arguments(given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = read(os.environ, ServerSettings)
    engine = database.connect(settings.database_url, pool_size=CONNECTIONS)
    queue = _queue(settings)
    doorbell, closing = Doorbell(), threading.Event()
    signal.signal(PULSE_NOW, lambda *_: doorbell.ring())
    office = DeadLetterOffice(engine=engine, queue=queue)
    beside = [
        threading.Thread(target=_beat, args=(settings, engine, queue, doorbell), name="pulse"),
        threading.Thread(target=keep_settling, args=(office,), kwargs={"wait": closing.wait}, name="dead letters"),
    ]
    for thread in beside:
        thread.start()
    context = ApiContext(
        engine=engine,
        layout=Layout(settings.shared),
        queue=queue,
        kick=doorbell.ring,
        allow_host_access=settings.allow_host_access,
    )
    try:
        _serve(context, arguments.descriptor)
    finally:
        closing.set()
        doorbell.close()
        for thread in beside:
            thread.join()
        engine.dispose()


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flotilla.local.server", description=__doc__)
    parser.add_argument("--descriptor", type=int, required=True, help="a listening socket, inherited from the stack")
    return parser.parse_args(given)


def _serve(context: ApiContext, descriptor: int) -> None:
    config = uvicorn.Config(
        create_app(context), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE_SECONDS
    )
    with socket.socket(fileno=descriptor) as listener:
        uvicorn.Server(config).run(sockets=[listener])


def _queue(settings: ServerSettings) -> RunQueue:
    urls = {Priority.NORMAL: settings.queue_url, Priority.HIGH: settings.queue_high_url}
    client = sqs_client(endpoint_url=settings.endpoint_url, region=REGION, access_key=settings.access_key)
    return RunQueue(client, urls=urls)


def _beat(settings: ServerSettings, engine: Engine, queue: RunQueue, doorbell: Doorbell) -> None:
    pulse = Pulse(
        engine=engine,
        queue=queue,
        layout=Layout(settings.shared),
        lease_seconds=settings.lease_seconds,
        limits=Limits(),
        holder=HOLDER,
    )
    keep_beating(pulse, wait=doorbell.wait, report=_report)


def _report(beat: Beat | Exception) -> None:
    if isinstance(beat, Exception):
        _log.warning("a tick of the pulse failed, the next one tries again: %s", beat)
    elif beat.taken_back or beat.silent_workers or beat.queued or beat.rescued or beat.filled:
        _log.info("%s", beat)


if __name__ == "__main__":
    main()
