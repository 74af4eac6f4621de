"""All queues of the endpoint: their names, addresses and ARNs, and which one buries another's messages."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flotilla.local.sqs.attributes import QueueAttributes
from flotilla.local.sqs.faults import FaultInjector
from flotilla.local.sqs.queues import IN_FLIGHT_LIMIT, Queue
from flotilla.local.sqs.refusals import Refusal, invalid

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
NAME_LIMIT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Creates and finds queues. `clock` gives seconds since the epoch."""

    clock: Callable[[], float]
    injector: FaultInjector
    in_flight_limit: int = IN_FLIGHT_LIMIT
    queues: dict[str, Queue] = field(default_factory=dict)

    def create(self, name: str, given: Mapping[str, str]) -> Queue:
        """A new queue, or the one of that name if nothing that was given differs from it."""
        if not 1 <= len(name) <= NAME_LIMIT or not name.replace("-", "").replace("_", "").isalnum():
            reason = f"Can only include letters, digits, hyphens and underscores. 1 to {NAME_LIMIT} in length."
            raise invalid("QueueName", name, reason=reason)
        attributes = QueueAttributes.read(given)
        if (queue := self.queues.get(name)) is not None:
            has = queue.attributes.shown()
            if different := sorted(key for key, value in given.items() if has.get(key, "") != value):
                said = f"A queue already exists with the same name and a different value for attribute {different[0]}"
                raise Refusal("QueueNameExists", said)
            return queue
        queue = Queue(
            f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}",
            attributes=attributes,
            clock=self.clock,
            injector=self.injector,
            in_flight_limit=self.in_flight_limit,
        )
        queue.dead_letters = self._dead_letters_of(queue, attributes)
        self.queues[name] = queue
        return queue

    def provide(self, wanted: str) -> None:
        """Makes a queue named `NAME`, or `NAME=DEAD:RECEIVES` with the queue that its spent messages go to."""
        name, _, redrive = wanted.partition("=")
        dead, _, receives = redrive.partition(":")
        if not redrive:
            self.create(name, {})
            return
        policy = {"deadLetterTargetArn": self.create(dead, {}).arn, "maxReceiveCount": receives}
        self.create(name, {"RedrivePolicy": json.dumps(policy)})

    def change(self, queue: Queue, given: Mapping[str, str]) -> None:
        """Replace some of a queue's attributes; all or none."""
        attributes = queue.attributes.changed(given)
        queue.dead_letters = self._dead_letters_of(queue, attributes)
        queue.attributes = attributes
        queue.modified_at = self.clock()

    def named(self, name: str) -> Queue:
        """The queue of that name; raises `Refusal` where there is none."""
        if name not in self.queues:
            raise Refusal("QueueDoesNotExist", "The specified queue does not exist.")
        return self.queues[name]

    def at(self, url: str) -> Queue:
        """The queue behind an address, whatever host and port its caller reached us by."""
        return self.named(url.rsplit("/", maxsplit=1)[-1])

    def _dead_letters_of(self, queue: Queue, attributes: QueueAttributes) -> Queue | None:
        if attributes.redrive is None:
            return None
        arn = attributes.redrive.target_arn
        target = self.queues.get(arn.rsplit(":", maxsplit=1)[-1])
        if target is None or target.arn != arn:
            raise invalid("RedrivePolicy", arn, reason="Dead letter target does not exist.")
        if target is queue:
            raise invalid("RedrivePolicy", arn, reason="A queue cannot be its own dead letter target.")
        return target


def name_of(queue: Queue) -> str:
    """The last part of its ARN."""
    return queue.arn.rsplit(":", maxsplit=1)[-1]
