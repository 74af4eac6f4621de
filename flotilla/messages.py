"""What a message of the queue says, and what one delivery of it tells: the body is `{"run_id": …}` and nothing else."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flotilla.states import Priority

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import MessageSystemAttributeNameType
    from mypy_boto3_sqs.type_defs import MessageTypeDef


ATTRIBUTES: "tuple[MessageSystemAttributeNameType, ...]" = (
    "SentTimestamp",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
)
"""What SQS is asked to tell about each message beside its body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery of a run's message."""

    run_id: str
    receipt: str
    queue: Priority
    sent_at: datetime
    first_received_at: datetime
    receive_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableMessage:
    """A delivery whose body is not what this fleet sends; `fault` says in what way."""

    message_id: str
    receipt: str
    queue: Priority
    body: str
    fault: str


def body(run_id: str) -> str:
    """What is sent for a run."""
    return json.dumps({"run_id": run_id})


class UnreadableBody(ValueError):
    """A body that is not what this fleet sends; the message says in what way."""


def run_of(body: str) -> str:
    """The id of the run that a body names. Raises UnreadableBody."""
    try:
        document = json.loads(body)
    except ValueError as fault:
        raise UnreadableBody(f"it is not JSON: {fault}") from fault
    if not isinstance(document, dict) or document.keys() != {"run_id"} or not isinstance(document["run_id"], str):
        raise UnreadableBody('it is not {"run_id": "…"} and nothing else')
    return document["run_id"]


def time_of(milliseconds: str) -> datetime:
    """A moment as SQS writes it."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC)


def read(raw: "MessageTypeDef", queue: Priority) -> Message | UnreadableMessage:
    """One received message, as what it is; `raw` carries the attributes named in `ATTRIBUTES`."""
    try:
        run_id = run_of(raw["Body"])
    except UnreadableBody as fault:
        return _unreadable(raw, queue, fault=str(fault))
    known = raw["Attributes"]
    return Message(
        run_id=run_id,
        receipt=raw["ReceiptHandle"],
        queue=queue,
        sent_at=time_of(known["SentTimestamp"]),
        first_received_at=time_of(known["ApproximateFirstReceiveTimestamp"]),
        receive_count=int(known["ApproximateReceiveCount"]),
    )


def _unreadable(raw: "MessageTypeDef", queue: Priority, *, fault: str) -> UnreadableMessage:
    return UnreadableMessage(
        message_id=raw["MessageId"], receipt=raw["ReceiptHandle"], queue=queue, body=raw["Body"], fault=fault
    )
