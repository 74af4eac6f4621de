"""Signs that the parts of a stack answer."""

import http.client
import socket
from collections.abc import Collection

from sqlalchemy import Engine

from flotilla.states import WorkerState
from flotilla.store.workers import list_workers

LOOPBACK = "127.0.0.1"
_ANSWER_SECONDS = 2.0


def is_listening(port: int) -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_ANSWER_SECONDS):
            return True
    except OSError:
        return False


def answers_health(port: int) -> bool:
    """Whether the API there says that it is well."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def missing_workers(engine: Engine, names: Collection[str]) -> list[str]:
    """Those of the named workers that do not take work yet."""
    with engine.begin() as connection:
        workers = list_workers(connection, gone=False)
    accepting = {worker.name for worker in workers if worker.state is WorkerState.ACCEPTING}
    return sorted(set(names) - accepting)
