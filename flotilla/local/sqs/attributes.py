"""The attributes of one queue: which there are, what values they take, and what they are worth when not given."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flotilla.local.sqs.refusals import Refusal, invalid

MESSAGE_SIZE_LIMIT = 1_048_576  # bytes; SQS raised it from 262,144 in August 2025
VISIBILITY_LIMIT = 43_200  # seconds: twelve hours
DELAY_LIMIT = 900  # seconds
WAIT_LIMIT = 20  # seconds
RECEIVES_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """The range of a number and its default."""

    default: int
    least: int
    most: int


_WHOLE = {
    "VisibilityTimeout": _Whole(default=30, least=0, most=VISIBILITY_LIMIT),
    "MessageRetentionPeriod": _Whole(default=345_600, least=60, most=1_209_600),
    "DelaySeconds": _Whole(default=0, least=0, most=DELAY_LIMIT),
    "ReceiveMessageWaitTimeSeconds": _Whole(default=0, least=0, most=WAIT_LIMIT),
    "MaximumMessageSize": _Whole(default=MESSAGE_SIZE_LIMIT, least=1024, most=MESSAGE_SIZE_LIMIT),
}
_KEPT = frozenset(
    {"Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"}
)
"""Attributes that are kept and shown and mean nothing on one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """Where a message goes that was received `most_receives` times and not deleted."""

    target_arn: str
    most_receives: int


def _redrive(policy: str) -> Redrive | None:
    if not policy:
        return None
    try:
        parts = json.loads(policy)
        redrive = Redrive(target_arn=str(parts["deadLetterTargetArn"]), most_receives=int(parts["maxReceiveCount"]))
    except (ValueError, KeyError, TypeError) as fault:
        wanted = "It must be JSON with deadLetterTargetArn and maxReceiveCount."
        raise invalid("RedrivePolicy", policy, reason=wanted) from fault
    if not 1 <= redrive.most_receives <= RECEIVES_LIMIT:
        raise invalid("RedrivePolicy", policy, reason=f"maxReceiveCount must be between 1 and {RECEIVES_LIMIT}.")
    return redrive


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAttributes:
    """The attributes that were given, checked; everything else has its default."""

    given: Mapping[str, str]
    redrive: Redrive | None

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "QueueAttributes":
        """Check each value; raises `Refusal` that names the first bad one."""
        for name, value in given.items():
            if name in _WHOLE:
                bounds = _WHOLE[name]
                if not str(value).isdecimal() or not bounds.least <= int(value) <= bounds.most:
                    raise Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
            elif name in {"FifoQueue", "ContentBasedDeduplication"}:
                raise Refusal("UnsupportedOperation", "This endpoint has standard queues only.")
            elif name != "RedrivePolicy" and name not in _KEPT:
                raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")
        return cls(given=dict(given), redrive=_redrive(given.get("RedrivePolicy", "")))

    def changed(self, given: Mapping[str, str]) -> "QueueAttributes":
        """These attributes with some replaced."""
        return QueueAttributes.read({**self.given, **given})

    def whole(self, name: str) -> int:
        """The number that counts: seconds, or bytes for `MaximumMessageSize`."""
        return int(self.given.get(name, _WHOLE[name].default))

    def shown(self) -> dict[str, str]:
        """Every attribute as SQS shows it, defaults included."""
        return {name: str(bounds.default) for name, bounds in _WHOLE.items()} | {
            name: value for name, value in self.given.items() if value
        }
