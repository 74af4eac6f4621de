"""The deployed API under an address that every client can reach, and a count of what comes through.

ministack tells its APIs apart by host names that only some machines resolve.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


class Doorstep(ThreadingHTTPServer):
    """`url` is where it listens; `sizes` has the size of the body of each request, by its method."""

    daemon_threads = True

    def __init__(self, *, endpoint: str, host: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.inside = httpx.Client(base_url=endpoint, headers={"Host": host}, timeout=120)
        self.sizes: dict[str, list[int]] = {}
        self.came = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Of a client that was killed nobody needs to hear."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def wait_for(self, method: str, *, times: int, seconds: float) -> bool:
        """Whether so many requests of the method have been answered in time."""
        with self.came:
            return self.came.wait_for(lambda: len(self.sizes.get(method, [])) >= times, timeout=seconds)

    def count(self, method: str, size: int) -> None:
        with self.came:
            self.sizes.setdefault(method, []).append(size)
            self.came.notify_all()


class _Passage(BaseHTTPRequestHandler):
    server: Doorstep
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Any:
        """Every method is passed on in the same way."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        answer = self.server.inside.request(self.command, self.path, content=body, headers=headers)
        self.server.count(self.command, len(body))
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP | {"content-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def log_message(self, *_: Any) -> None:
        """Nothing: the rehearsal says what matters."""


@contextmanager
def doorstep(*, endpoint: str, host: str) -> Iterator[Doorstep]:
    """Listens for the length of a `with` block."""
    server = Doorstep(endpoint=endpoint, host=host)
    thread = threading.Thread(target=server.serve_forever, name="doorstep")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.inside.close()
