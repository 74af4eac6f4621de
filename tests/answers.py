"""Where a custom resource's answers arrive, as CloudFormation takes them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(slots=True)
class Answers:
    """An address for answers, and those that came."""

    url: str
    seen: list[dict[str, Any]] = field(default_factory=list)

    def request(self, kind: str) -> dict[str, Any]:
        """What CloudFormation sends to the function."""
        return {
            "RequestType": kind,
            "ResponseURL": f"{self.url}/answer?signature=hush",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Resource",
            "ResourceType": "Custom::Flotilla",
            "ResourceProperties": {"ServiceToken": "function"},
        }


@contextmanager
def answers() -> Iterator[Answers]:
    """Takes answers until the end of the `with` block."""
    taken = Answers(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            taken.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
