"""One message: what its sender gave, what its queue remembers of it, and the digests by which clients check both."""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.local.sqs.parameters import Parameters
from flotilla.local.sqs.refusals import Refusal, invalid

_UNSAYABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GROUP = re.compile(r"[!-~]{1,128}")
_TEXT, _BINARY = 1, 2  # how SQS marks a value's kind inside the digest


def _value_bytes(name: str, attribute: Mapping[str, Any]) -> tuple[int, bytes]:
    if "BinaryValue" in attribute:
        try:
            return _BINARY, base64.b64decode(attribute["BinaryValue"], validate=True)
        except (binascii.Error, TypeError) as fault:
            raise invalid(name, attribute["BinaryValue"], reason="It must be base64.") from fault
    return _TEXT, str(attribute.get("StringValue", "")).encode()


def attributes_digest(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """MD5 over names, types and values in SQS's own binary form."""
    digest = hashlib.md5(usedforsecurity=False)
    for name, attribute in sorted(attributes.items()):
        kind, value = _value_bytes(name, attribute)
        for part in (name.encode(), attribute["DataType"].encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        digest.update(struct.pack("!BI", kind, len(value)) + value)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a sender gave. `attributes` are in the form of the protocol."""

    body: str
    attributes: Mapping[str, Mapping[str, Any]]
    group: str | None

    @classmethod
    def read(cls, parameters: Parameters) -> "Letter":
        """From a request or an entry of its batch; raises `Refusal`."""
        body = parameters.text("MessageBody")
        if _UNSAYABLE.search(body):
            raise Refusal("InvalidMessageContents", "The message contains characters that XML does not allow.")
        group = parameters.optional_text("MessageGroupId")
        if group is not None and not _GROUP.fullmatch(group):
            raise invalid("MessageGroupId", group, reason="It can be up to 128 letters, digits and punctuation marks.")
        attributes = parameters.mapping("MessageAttributes")
        for name, attribute in attributes.items():
            if not isinstance(attribute, dict) or not isinstance(attribute.get("DataType"), str):
                raise invalid(name, attribute, reason="A message attribute must have a DataType.")
        return cls(body=body, attributes=attributes, group=group)

    @property
    def size(self) -> int:
        """Bytes of body and attributes, as SQS counts them."""
        size = len(self.body.encode())
        for name, attribute in self.attributes.items():
            size += len(name.encode()) + len(attribute["DataType"].encode()) + len(_value_bytes(name, attribute)[1])
        return size

    def digests(self) -> dict[str, str]:
        """The digests that the answer to a sender carries."""
        digests = {"MD5OfMessageBody": hashlib.md5(self.body.encode(), usedforsecurity=False).hexdigest()}
        if self.attributes:
            digests["MD5OfMessageAttributes"] = attributes_digest(self.attributes)
        return digests


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """A letter on a queue. Times are seconds since the epoch; `hidden_until` is `None` while it is visible."""

    message_id: str
    letter: Letter
    sent_at: float
    hidden_until: float | None = None
    receive_count: int = 0
    first_received_at: float = 0.0
    received_at: float = 0.0
    receipt: str | None = None
    source_arn: str | None = None
    """The queue it came from, on a dead-letter queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One handing out of a message: what stays true of it when the message is handed out again."""

    message: Message
    receipt: str
    receive_count: int

    def system_attributes(self) -> dict[str, str]:
        """All that the queue knows about the message, under SQS's names."""
        message = self.message
        known = {
            "SenderId": "flotilla",
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "ApproximateReceiveCount": str(self.receive_count),
            "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
            "MessageGroupId": message.letter.group,
            "DeadLetterQueueSourceArn": message.source_arn,
        }
        return {name: value for name, value in known.items() if value is not None}
