"""A way to a server that carries so many bytes and then no more, as a connection that is about to break."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SECONDS = 20


@dataclass(slots=True)
class Narrows:
    """Carries requests and answers of one connection after the other, until `most` bytes of requests went through."""

    most: int
    url: str = ""
    carried: int = 0
    stuck: threading.Event = field(default_factory=threading.Event)
    cut: threading.Event = field(default_factory=threading.Event)
    """Set by who wants what is stuck to be cut off: it is closed, and from then on everything passes."""

    def serve(self, listener: socket.socket, address: tuple[str, int]) -> None:
        """Takes connections until the listener is closed."""
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with near, socket.create_connection(address) as far:
                answers = threading.Thread(target=_carry, args=(far, near))
                answers.start()
                self._carry_requests(near, far)
                _shut(near, far)
                answers.join(SECONDS)

    def _carry_requests(self, near: socket.socket, far: socket.socket) -> None:
        while data := _received(near):
            if self.carried + len(data) > self.most and not self.cut.is_set():
                far.sendall(data[: self.most - self.carried])
                self.carried = self.most
                self.stuck.set()
                self.cut.wait(SECONDS)
                return
            self.carried += len(data)
            far.sendall(data)


@contextmanager
def narrows(url: str, *, most: int) -> Iterator[Narrows]:
    """A way to `url` for that many bytes."""
    target = urlsplit(url)
    way = Narrows(most=most)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=way.serve, args=(listener, (target.hostname, target.port)))
        thread.start()
        try:
            yield way
        finally:
            way.cut.set()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(SECONDS)
    assert not thread.is_alive()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _carry(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        try:
            target.sendall(data)
        except OSError:
            return
    _shut(target)


def _shut(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):  # the other side was first
            connection.shutdown(socket.SHUT_RDWR)
