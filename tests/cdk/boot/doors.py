"""AWS as a booting machine meets it: the instance metadata, S3, and the repository of efs-utils."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "eu-central-1"
ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
CREDENTIALS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "made/up+secret", "Token": "made/up+token=="}
METADATA_TOKEN = "made-up-metadata-token"
ROLE = {ROLE_PATH: b"worker-role", f"{ROLE_PATH}worker-role": json.dumps(CREDENTIALS, indent=2).encode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where they answer, and what lies behind them by path; a test may change it."""

    url: str
    public: dict[str, bytes]
    objects: dict[str, bytes]
    """For those alone who sign as the instance's role."""

    @property
    def environment(self) -> Mapping[str, str]:
        """AWS's own variables for other endpoints, and ours for the repository."""
        return {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "EFS_UTILS_REPOSITORY": self.url,
        }


@contextmanager
def open_doors(*, public: Mapping[str, bytes], objects: Mapping[str, bytes]) -> Iterator[Doors]:
    """Answers on loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.doors = Doors(
        url=f"http://127.0.0.1:{server.server_port}", public=dict(public) | ROLE, objects=dict(objects)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.doors
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    doors: Doors


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_PUT(self) -> None:
        granted = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer(METADATA_TOKEN.encode() if granted else None)

    def do_GET(self) -> None:
        doors, path = self.server.doors, self.path
        if path.startswith("/latest/"):
            self._answer(doors.public.get(path) if self.headers["X-aws-ec2-metadata-token"] == METADATA_TOKEN else None)
        elif path in doors.objects:
            self._answer(doors.objects[path] if _signature_is_right(path, self.headers) else None)
        else:
            self._answer(doors.public.get(path))

    def _answer(self, content: bytes | None) -> None:
        self.send_response(403 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is the library's
        """Nobody reads it."""


def _signature_is_right(path: str, headers: Message) -> bool:
    """Whether AWS's own library, with the same headers, comes to the same signature."""
    given = re.search("SignedHeaders=([^,]+), *Signature=([0-9a-f]+)", headers["Authorization"] or "")
    if given is None or headers["x-amz-security-token"] != CREDENTIALS["Token"]:
        return False
    names = set(given[1].split(";"))
    request = AWSRequest(
        method="GET", url=f"http://{headers['Host']}{path}", headers={name: headers[name] for name in names - {"host"}}
    )
    request.context["timestamp"] = headers["X-Amz-Date"]
    signer = S3SigV4Auth(Credentials(CREDENTIALS["AccessKeyId"], CREDENTIALS["SecretAccessKey"]), "s3", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return {"host", "x-amz-date", "x-amz-security-token"} <= names and signer.signature(text, request) == given[2]
