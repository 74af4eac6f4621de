"""The API alone under uvicorn, over a database that is there: `python -m bench.reads.serving URL SHARED DESCRIPTOR`."""

import socket
import sys
from pathlib import Path

import uvicorn

from api.app import ApiContext, create_app
from flotilla import database
from flotilla.layout import Layout
from flotilla.local.queues import REGION, queue_urls
from flotilla.local.server import CONNECTIONS
from flotilla.queue import RunQueue, sqs_client

NOWHERE = "http://127.0.0.1:9"  # reads of jobs and runs ask no queue


def main(url: str, shared: str, descriptor: str) -> None:
    """Serves until SIGTERM, with the settings of a local stack's server."""
    engine = database.connect(url, pool_size=CONNECTIONS)
    queue = RunQueue(sqs_client(endpoint_url=NOWHERE, region=REGION), urls=queue_urls(NOWHERE))
    context = ApiContext(engine=engine, layout=Layout(Path(shared)), queue=queue, kick=lambda: None)
    config = uvicorn.Config(create_app(context), log_config=None, access_log=False, lifespan="off")
    with socket.socket(fileno=int(descriptor)) as listener:
        uvicorn.Server(config).run(sockets=[listener])
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
