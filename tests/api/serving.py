"""The API under a real HTTP server, for the length of a `with` block."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from api.app import ApiContext, create_app

STOP_SECONDS = 10


@contextmanager
def serving(context: ApiContext) -> Iterator[str]:
    """Serves the API on loopback; gives its URL."""
    config = uvicorn.Config(create_app(context), log_level="warning", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    # asyncio sends at once only from a socket that says it is TCP's; without that each answer waits for the client's
    # acknowledgement, for 40 ms.
    listener = socket.socket(fileno=socket.create_server(("127.0.0.1", 0)).detach())
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()
    assert not thread.is_alive()


def client(url: str, *, key: str) -> httpx.Client:
    """A client with a key; it trusts nobody's certificate, which spares it reading those of everybody."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, verify=trusted)
