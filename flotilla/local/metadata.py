"""Instance metadata on loopback, as a worker reads it over IMDSv2: spot notices and all, for tests and drills.

`python -m flotilla.local.metadata --port 0` prints `ready URL` and serves until SIGTERM; `serving()` does so in this
process. One endpoint speaks for any number of instances: a worker that is given `AWS_EC2_METADATA_SERVICE_ENDPOINT=
URL/NAME` is the instance NAME, and with the bare URL there is one without a name. Nothing happens to an instance until
it is told to, by a call of `Metadata`, or over HTTP (below `URL/NAME`, or `URL`), without a token:

    PUT    control/spot       {"seconds": 120} or {"time": "2026-01-31T12:00:00Z"}   a spot notice: the machine's end
    PUT    control/rebalance                                                         a rebalance recommendation, now
    PUT    control/lifecycle  {"state": "Terminated"}                                the group's target lifecycle state
    DELETE control/spot, control/rebalance, control/lifecycle                        takes it back: 404 again
    DELETE control/tokens                                                            session tokens hold no longer

Each answers 204; what cannot be understood, 400 with what is wrong. It ends no machine: whoever gives a notice kills.
"""

import argparse
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import FrameType
from typing import Any
from uuid import uuid4

from flotilla.local.sqs.__main__ import LOOPBACK, die_with_parent

TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
LIFETIME_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TOKEN_SECONDS = 21_600
_PATH = re.compile(r"(?:/(?P<instance>[^/]+))?/(?P<area>latest/api|latest/meta-data|control)/(?P<item>.+)")

type Clock = Callable[[], datetime]


class Misunderstood(ValueError):
    """A control request that says nothing sensible: mend it as the message says."""


@dataclass(slots=True, kw_only=True)
class Instance:
    """What the metadata of one instance says at the moment; what is None is answered with 404."""

    spot: datetime | None = None
    rebalance: datetime | None = None
    lifecycle: str | None = None
    tokens: dict[str, datetime] = field(default_factory=dict, repr=False)

    def read(self, item: str) -> str | None:
        """An item's text, in AWS's words."""
        match item:
            case "spot/instance-action":
                return None if self.spot is None else json.dumps({"action": "terminate", "time": _stamp(self.spot)})
            case "events/recommendations/rebalance":
                return None if self.rebalance is None else json.dumps({"noticeTime": _stamp(self.rebalance)})
            case "autoscaling/target-lifecycle-state":
                return self.lifecycle
        return None


class Metadata:
    """The metadata of every instance, by its name; `""` is the one without a name."""

    def __init__(self, *, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self._instances: dict[str, Instance] = {}

    def of(self, name: str = "") -> Instance:
        """What is said of this instance; set its fields to say something else."""
        return self._instances.setdefault(name, Instance())

    def notify_spot(self, name: str = "", *, seconds: float = 120.0) -> datetime:
        """Gives notice that the machine ends in so many seconds; returns the moment that the notice names."""
        ends = self.of(name).spot = (self.clock() + timedelta(seconds=seconds)).replace(microsecond=0)
        return ends

    def recommend_rebalance(self, name: str = "") -> None:
        """Says that the machine is likely to be taken soon."""
        self.of(name).rebalance = self.clock()

    def set_lifecycle(self, state: str, name: str = "") -> None:
        """Says what the group wants the instance to become, such as `InService` or `Terminated`."""
        self.of(name).lifecycle = state

    def issue_token(self, name: str, *, seconds: int) -> str:
        """A session token of this instance."""
        token = uuid4().hex
        self.of(name).tokens[token] = self.clock() + timedelta(seconds=seconds)
        return token

    def holds(self, name: str, token: str) -> bool:
        """Whether the token was issued for this instance and still holds."""
        ends = self.of(name).tokens.get(token)
        return ends is not None and self.clock() < ends

    def control(self, name: str, item: str, words: Mapping[str, Any]) -> None:
        """Does what a PUT asks for. Raises Misunderstood."""
        match item, words:
            case "spot", {"seconds": int() | float() as seconds}:
                self.notify_spot(name, seconds=seconds)
            case "spot", {"time": str() as time}:
                self.of(name).spot = _moment(time)
            case "rebalance", {}:
                self.recommend_rebalance(name)
            case "lifecycle", {"state": str() as state}:
                self.set_lifecycle(state, name)
            case _:
                raise Misunderstood(f"nobody understands {item!r} with {dict(words)}: flotilla.local.metadata says how")

    def take_back(self, name: str, item: str) -> None:
        """Does what a DELETE asks for. Raises Misunderstood."""
        if item == "tokens":
            self.of(name).tokens.clear()
        elif item in {"spot", "rebalance", "lifecycle"}:
            setattr(self.of(name), item, None)
        else:
            raise Misunderstood(f"{item!r} is nothing that can be taken back: flotilla.local.metadata says what is")


class _Handler(BaseHTTPRequestHandler):
    """IMDSv2 and the control of it."""

    metadata: Metadata

    def do_GET(self) -> None:
        name, area, item = self._place()
        if area != "latest/meta-data":
            self._answer(404)
        elif not self.metadata.holds(name, self.headers.get(TOKEN_HEADER, "")):
            self._answer(401)
        else:
            said = self.metadata.of(name).read(item)
            self._answer(404 if said is None else 200, said or "")

    def do_PUT(self) -> None:
        name, area, item = self._place()
        if (area, item) == ("latest/api", "token"):
            self._issue_token(name)
        elif area == "control":
            self._control(lambda: self.metadata.control(name, item, self._body()))
        else:
            self._answer(404)

    def do_DELETE(self) -> None:
        name, area, item = self._place()
        if area == "control":
            self._control(lambda: self.metadata.take_back(name, item))
        else:
            self._answer(404)

    def log_message(self, *_: object) -> None:
        """Says nothing: every worker asks thrice in two seconds."""

    def _place(self) -> tuple[str, str, str]:
        found = _PATH.fullmatch(self.path)
        return (found["instance"] or "", found["area"], found["item"]) if found else ("", "", "")

    def _body(self) -> Mapping[str, Any]:
        words = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if not isinstance(words, dict):
            raise Misunderstood("a JSON object is wanted")
        return words

    def _issue_token(self, name: str) -> None:
        asked = self.headers.get(LIFETIME_HEADER, "")
        if asked.isdecimal() and 1 <= int(asked) <= LONGEST_TOKEN_SECONDS:
            self._answer(200, self.metadata.issue_token(name, seconds=int(asked)))
        else:
            self._answer(400, f"{LIFETIME_HEADER} must be 1 to {LONGEST_TOKEN_SECONDS}")

    def _control(self, change: Callable[[], None]) -> None:
        try:
            change()
        except ValueError as fault:
            self._answer(400, str(fault))
        else:
            self._answer(204)

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def serving(metadata: Metadata, *, port: int = 0) -> Iterator[str]:
    """Serves it on loopback for the length of a `with` block, whose value is the endpoint's URL."""
    handler = type("Handler", (_Handler,), {"metadata": metadata})
    with ThreadingHTTPServer((LOOPBACK, port), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="metadata")
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise Misunderstood(f"{text!r} does not say of which zone it is: end it with Z")
    return moment.astimezone(UTC)


def main(given: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m flotilla.local.metadata", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 chooses a free one")
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the process that started this ends")
    arguments = parser.parse_args(given)
    if arguments.die_with_parent:
        die_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    with serving(Metadata(), port=arguments.port) as url:
        sys.stdout.write(f"ready {url}\n")
        sys.stdout.flush()
        signal.pause()


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what signal gives
    raise SystemExit(0)


if __name__ == "__main__":
    main()
