"""Run the endpoint on loopback until SIGTERM: `python -m flotilla.local.sqs --port 0`."""

import argparse
import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from flotilla.local.sqs.endpoint import Endpoint
from flotilla.local.sqs.faults import Faults
from flotilla.local.sqs.queues import IN_FLIGHT_LIMIT

LOOPBACK = "127.0.0.1"
ACCESS_KEY_VARIABLE = "FLOTILLA_SQS_ACCESS_KEY"  # not an option: everybody may read a command line
_PR_SET_PDEATHSIG = 1  # from linux/prctl.h


class Server(uvicorn.Server):
    """Uvicorn that ends open long polls when it is told to stop, instead of waiting for them."""

    def __init__(self, endpoint: Endpoint) -> None:
        config = uvicorn.Config(endpoint, log_level="warning", access_log=False, lifespan="off", ws="none")
        super().__init__(config)
        self._endpoint = endpoint

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT and exit with 0; uvicorn's own would raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True
        self._endpoint.close()


def die_with_parent() -> None:
    """Have the kernel send SIGTERM when the thread that started this process ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


@contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    """A listening socket on loopback.

    Its protocol is named because asyncio turns Nagle's algorithm off only where it is; with it each answer takes 40 ms.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen()
        yield listener


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flotilla.local.sqs", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 chooses a free one")
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the process that started this ends")
    parser.add_argument("--in-flight-limit", type=int, default=IN_FLIGHT_LIMIT, help="messages in flight a queue")
    parser.add_argument(
        "--queue", action="append", default=[], metavar="NAME[=DEAD:RECEIVES]", help="a queue that is there at once"
    )
    faults = parser.add_argument_group("faults")
    faults.add_argument("--duplicate", type=float, default=0.0, metavar="SHARE", help="deliveries that come again")
    faults.add_argument("--reorder", action="store_true", help="hand out any visible message, not the oldest")
    faults.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="new messages come up to so late")
    faults.add_argument("--outage", type=float, default=0.0, metavar="SHARE", help="requests answered with 503")
    faults.add_argument("--seed", type=int, default=0, help="the same seed gives the same misfortunes")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Serve until told to stop; `ready http://127.0.0.1:PORT` on standard output says that requests are taken."""
    arguments = _arguments(given)
    if arguments.die_with_parent:
        die_with_parent()
    faults = Faults(
        duplicate=arguments.duplicate,
        reorder=arguments.reorder,
        delay=arguments.delay,
        outage=arguments.outage,
        seed=arguments.seed,
    )
    access_key = os.environ.get(ACCESS_KEY_VARIABLE)
    endpoint = Endpoint(faults=faults, in_flight_limit=arguments.in_flight_limit, access_key=access_key)
    for wanted in arguments.queue:
        endpoint.account.provide(wanted)
    server = Server(endpoint)
    with _listener(arguments.port) as listener:
        # Listening already: what connects now is answered as soon as the loop turns.
        sys.stdout.write(f"ready http://{LOOPBACK}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
