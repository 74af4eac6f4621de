"""The ledger of sandboxed trials: they reach this host's loopback, and write there with a key that their task holds."""

import re
import secrets
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flotilla.local.drill.ledger import Entry, Ledger, Phase
from flotilla.local.readiness import LOOPBACK

LONGEST_LINE = 4096  # bytes
LOOK_SECONDS = 0.1
_PLACE = re.compile(r"/workers/(?P<worker>[^/]+)/trials/(?P<trial>[^/]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAddress:
    """Where to write, and the key without which nothing is taken: other tasks share this loopback."""

    port: int
    key: str = field(repr=False)


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 1024  # a thousand trials may begin at once
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving(ledger: Ledger, *, clock: Callable[[], float] = time.time) -> Iterator[LedgerAddress]:
    """Takes lines for the length of a `with` block."""
    key = secrets.token_hex(16)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            entry = read_line(self.rfile.readline(LONGEST_LINE).decode(errors="replace"), key=key, at=clock())
            if entry is not None:
                ledger.write(entry)
                self.wfile.write(b"written\n")

    with _Server((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(LOOK_SECONDS,), name="ledger")
        thread.start()
        try:
            yield LedgerAddress(port=server.server_address[1], key=key)
        finally:
            server.shutdown()
            thread.join()


def read_line(line: str, *, key: str, at: float) -> Entry | None:
    """`KEY NONCE PLACE PHASE`; None for what no task of the drill's writes.

    The place is what the kernel has mounted for the agent's log: it names worker and trial.
    """
    given, _, rest = line.strip().partition(" ")
    nonce, _, rest = rest.partition(" ")
    place, _, phase = rest.partition(" ")
    found = _PLACE.search(place)
    if not secrets.compare_digest(given.encode(), key.encode()) or found is None or not nonce.isdecimal():
        return None
    if phase not in set(Phase):
        return None
    return Entry(at=at, phase=Phase(phase), nonce=int(nonce), trial=found["trial"], worker=found["worker"])
