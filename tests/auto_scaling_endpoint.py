"""The model of a group behind HTTP, in AWS's query protocol, for workers that are processes of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.auto_scaling import AutoScaling


@contextmanager
def serving(aws: AutoScaling) -> Iterator[str]:
    """Serves it on loopback for the length of a `with` block, whose value is the endpoint's URL."""
    handler = type("Handler", (_Handler,), {"aws": aws})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    aws: AutoScaling

    def do_POST(self) -> None:
        words = _words(self.rfile.read(int(self.headers["Content-Length"])).decode())
        action = words.pop("Action")
        try:
            answer = getattr(self.aws, xform_name(action))(**words)
        except ClientError as fault:
            error = fault.response["Error"]
            self._answer(400, "ErrorResponse", {"Error": {"Code": error["Code"], "Message": error["Message"]}})
        else:
            self._answer(200, f"{action}Response", {f"{action}Result": answer})

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _answer(self, status: int, name: str, content: dict[str, Any]) -> None:
        body = f"<{name}>{_xml(content)}</{name}>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _words(body: str) -> dict[str, Any]:
    """The parameters as boto3 takes them; lists come as `Name.member.1` and so on."""
    words: dict[str, Any] = {}
    for name, value in parse_qsl(body):
        if ".member." in name:
            words.setdefault(name.partition(".")[0], []).append(value)
        elif name != "Version":
            words[name] = {"true": True, "false": False}.get(value, value)
    return words


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(part)}</member>" for part in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
