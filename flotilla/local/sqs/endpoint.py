"""The ASGI application: AWS JSON 1.0 as boto3 speaks it, and the route by which a drill sets faults."""

import json
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flotilla.local.sqs.account import Account
from flotilla.local.sqs.actions import perform, shown
from flotilla.local.sqs.attributes import VISIBILITY_LIMIT, WAIT_LIMIT
from flotilla.local.sqs.faults import FaultInjector, Faults, Outage
from flotilla.local.sqs.parameters import BATCH_ENTRIES_LIMIT, Parameters
from flotilla.local.sqs.polls import Polls
from flotilla.local.sqs.queues import IN_FLIGHT_LIMIT
from flotilla.local.sqs.refusals import Refusal

type Event = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Event]]
type Send = Callable[[Event], Awaitable[None]]

FAULTS_PATH = "/_faults"
_STARTED = time.time() - time.monotonic()


def steady_clock() -> float:
    """Seconds since the epoch that never jump: a corrected system clock must not end leases."""
    return _STARTED + time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One HTTP answer, its body still an object."""

    content: Mapping[str, Any]
    status: int = 200
    query_error: str | None = None


_UNAVAILABLE = _Answer(
    status=503,
    content={"__type": "com.amazonaws.sqs#ServiceUnavailable", "message": "An injected outage: ask again."},
    query_error="ServiceUnavailable;Receiver",
)
_FORBIDDEN = _Answer(
    status=403,
    content={"__type": "com.amazonaws.sqs#InvalidClientTokenId", "message": "This endpoint has its own access key."},
    query_error="InvalidClientTokenId;Sender",
)
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)")


class Endpoint:
    """Answers requests for the queues of one account, on loopback only.

    It checks no signature. With an `access_key`, which must then be a secret, it answers only those who name it: a
    sandboxed task shares the host's loopback, and must not take other tasks' messages.
    """

    def __init__(
        self,
        *,
        faults: Faults,
        clock: Callable[[], float] = steady_clock,
        in_flight_limit: int = IN_FLIGHT_LIMIT,
        access_key: str | None = None,
    ) -> None:
        self._access_key = access_key
        self.injector = FaultInjector(faults)
        self.account = Account(clock=clock, injector=self.injector, in_flight_limit=in_flight_limit)
        self._polls: dict[str, Polls] = {}

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _read_body(receive)
        if not self._admits(headers):
            answer = _FORBIDDEN
        elif scope["path"] == FAULTS_PATH:
            answer = self._answer_faults(scope["method"], headers, body)
        else:
            answer = await self._answer_unless_out(headers, body, receive)
        await _write(send, answer)

    def _admits(self, headers: Mapping[str, str]) -> bool:
        if self._access_key is None:
            return True
        named = _CREDENTIAL.search(headers.get("authorization", ""))
        return named is not None and secrets.compare_digest(named[1], self._access_key)

    def close(self) -> None:
        """End every long poll, with nothing."""
        for queue in self.account.queues.values():
            queue.close()

    async def _answer_unless_out(self, headers: Mapping[str, str], body: bytes, receive: Receive) -> _Answer:
        outage = self.injector.outage()
        if outage is Outage.REQUEST_LOST:
            return _UNAVAILABLE
        answer = await self._answer(headers, body, receive)
        return _UNAVAILABLE if outage is Outage.ANSWER_LOST else answer

    async def _answer(self, headers: Mapping[str, str], body: bytes, receive: Receive) -> _Answer:
        service, _, action = headers.get("x-amz-target", "").partition(".")
        try:
            if service != "AmazonSQS":
                raise Refusal("UnsupportedOperation", "X-Amz-Target must name an action of AmazonSQS.")
            asked = Parameters(_parsed(body))
            if action == "ReceiveMessage":
                return _Answer(content=await self._receive(asked, receive))
            origin = f"http://{headers.get('host', '127.0.0.1')}"
            return _Answer(content=perform(action, self.account, asked, origin=origin))
        except Refusal as refusal:
            content = {"__type": f"com.amazonaws.sqs#{refusal.shape}", "message": refusal.message}
            return _Answer(status=refusal.status, content=content, query_error=f"{refusal.code};Sender")

    async def _receive(self, asked: Parameters, receive: Receive) -> Mapping[str, Any]:
        queue = self.account.at(asked.text("QueueUrl"))
        usual = queue.attributes.whole
        most = asked.whole("MaxNumberOfMessages", default=1, least=1, most=BATCH_ENTRIES_LIMIT)
        seconds = asked.whole("VisibilityTimeout", default=usual("VisibilityTimeout"), least=0, most=VISIBILITY_LIMIT)
        wait = asked.whole("WaitTimeSeconds", default=usual("ReceiveMessageWaitTimeSeconds"), least=0, most=WAIT_LIMIT)
        show = partial(
            shown,
            system=asked.names("AttributeNames", "MessageSystemAttributeNames"),
            own=asked.names("MessageAttributeNames"),
        )
        if wait == 0 and queue.is_full():  # a long poll at the limit waits and brings nothing
            raise Refusal("OverLimit", "Too many messages are in flight.")
        polls = self._polls.get(queue.arn)
        if polls is None or polls.queue is not queue:
            polls = self._polls[queue.arn] = Polls(queue)
        take = partial(queue.receive, most=most, seconds=seconds)
        deliveries = await polls.receive(take, wait_seconds=wait, hung_up=partial(_hung_up, receive))
        return {"Messages": [show(delivery) for delivery in deliveries]} if deliveries else {}

    def _answer_faults(self, method: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """GET shows the faults that are set; POST replaces them all."""
        if method == "POST":
            # A page in this machine's browser cannot send this type without asking first, and it gets no leave.
            if headers.get("content-type") != "application/json":
                return _Answer(status=415, content={"message": "The content type must be application/json."})
            try:
                self.injector.set(Faults.read(_parsed(body)))
            except (ValueError, Refusal) as fault:
                return _Answer(status=400, content={"message": str(fault)})
        return _Answer(content=self.injector.faults.shown())


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body or b"{}")
    except ValueError as fault:
        raise Refusal("InvalidParameterValue", f"The request's body is not JSON: {fault}") from fault


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _write(send: Send, answer: _Answer) -> None:
    body = json.dumps(answer.content).encode()
    headers = [
        (b"content-type", b"application/x-amz-json-1.0"),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
    ]
    if answer.query_error is not None:
        headers.append((b"x-amzn-query-error", answer.query_error.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
