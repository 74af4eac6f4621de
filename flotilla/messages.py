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


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC)


def read(raw: "MessageTypeDef", queue: Priority) -> Message | UnreadableMessage:
    """One received message, as what it is; `raw` carries the attributes named in `ATTRIBUTES`."""
    try:
        body = json.loads(raw["Body"])
    except ValueError as fault:
        return _unreadable(raw, queue, fault=f"it is not JSON: {fault}")
    if not isinstance(body, dict) or body.keys() != {"run_id"} or not isinstance(body["run_id"], str):
        return _unreadable(raw, queue, fault='it is not {"run_id": "…"} and nothing else')
    known = raw["Attributes"]
    return Message(
        run_id=body["run_id"],
        receipt=raw["ReceiptHandle"],
        queue=queue,
        sent_at=_time(known["SentTimestamp"]),
        first_received_at=_time(known["ApproximateFirstReceiveTimestamp"]),
        receive_count=int(known["ApproximateReceiveCount"]),
    )


def _unreadable(raw: "MessageTypeDef", queue: Priority, *, fault: str) -> UnreadableMessage:
    return UnreadableMessage(
        message_id=raw["MessageId"], receipt=raw["ReceiptHandle"], queue=queue, body=raw["Body"], fault=fault
    )
