"""The state of one standard queue: what is visible, what is hidden and until when, and whose receipt counts."""

import heapq
import itertools
import secrets
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from flotilla.local.sqs.attributes import VISIBILITY_LIMIT, QueueAttributes
from flotilla.local.sqs.faults import FaultInjector
from flotilla.local.sqs.messages import Delivery, Letter, Message
from flotilla.local.sqs.refusals import Refusal, invalid

IN_FLIGHT_LIMIT = 120_000
PURGE_PAUSE = 60  # seconds after a purge in which SQS refuses another


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages a queue holds, by where they stand."""

    visible: int
    in_flight: int
    delayed: int


class Queue:
    """One queue. It waits for nothing: whoever waits is told through `notice` when a message may be had, or later will.

    A message is in `_messages` as long as it exists. What `_visible` and `_returns` hold beyond that is stale and is
    passed over when met, so that nothing is ever searched for and every step costs the same at any depth.
    """

    def __init__(
        self,
        arn: str,
        *,
        attributes: QueueAttributes,
        clock: Callable[[], float],
        injector: FaultInjector,
        in_flight_limit: int = IN_FLIGHT_LIMIT,
    ) -> None:
        self.arn = arn
        self.attributes = attributes
        self.dead_letters: Queue | None = None
        self.notice: Callable[[], None] = lambda: None
        self.is_closed = False
        self.created_at = self.modified_at = clock()
        self._clock = clock
        self._injector = injector
        self._in_flight_limit = in_flight_limit
        self._purged_at = float("-inf")
        self._order = itertools.count()
        self._clear()

    def _clear(self) -> None:
        self._messages: dict[str, Message] = {}
        self._visible: deque[Message] = deque()
        self._returns: list[tuple[float, int, Message]] = []  # a heap
        self._in_flight: set[Message] = set()
        self._delayed: set[Message] = set()

    def send(self, letter: Letter, *, delay: float) -> str:
        """Take a letter that becomes visible after `delay` seconds; returns the message's id."""
        message = Message(message_id=str(uuid.uuid4()), letter=letter, sent_at=self._clock())
        self._messages[message.message_id] = message
        delay += self._injector.delay_seconds()
        if delay > 0:
            self._delayed.add(message)
            self._hide(message, seconds=delay)
        else:
            self._show(message)
        return message.message_id

    def receive(self, *, most: int, seconds: float) -> list[Delivery]:
        """Hand out up to `most` messages and hide each for `seconds`."""
        self.catch_up()
        deliveries: list[Delivery] = []
        while len(deliveries) < most and len(self._in_flight) < self._in_flight_limit:
            message = self._next_visible()
            if message is None:
                break
            if self._is_spent(message):
                self._bury(message)
            else:
                deliveries.append(self._hand_out(message, seconds=seconds))
        for delivery in deliveries:  # only now, so that no message comes twice in one answer
            if seconds == 0:
                self._show(delivery.message)
            elif self._injector.duplicates():
                self._show(delivery.message, first=True)
        return deliveries

    def delete(self, receipt: str) -> None:
        """Forget the message, visible again or not; the receipt of an earlier delivery deletes nothing.

        SQS promises only that the request succeeds and that with an old receipt "the message might not be deleted":
        of the two, the one is chosen here that a consumer must be ready for.
        """
        message = self._find(receipt)
        if message is not None and message.receipt == receipt:
            self._forget(message)

    def change_visibility(self, receipt: str, *, seconds: float) -> None:
        """Hide the message for `seconds` from now on; only its newest receipt may, and only while it is in flight."""
        self.catch_up()
        message = self._find(receipt)
        if message is None:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise invalid("ReceiptHandle", receipt, reason=reason)
        if message.receipt != receipt or message not in self._in_flight:
            raise Refusal("MessageNotInflight", "The message referred to is not in flight.")
        if self._clock() + seconds > message.received_at + VISIBILITY_LIMIT:
            reason = f"Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_LIMIT} seconds]"
            raise invalid("VisibilityTimeout", seconds, reason=reason)
        if seconds > 0:
            self._hide(message, seconds=seconds)
        else:
            self._show(message)

    def purge(self) -> None:
        """Forget every message; refused for a minute after the last time."""
        if self._clock() - self._purged_at < PURGE_PAUSE:
            said = f"Only one PurgeQueue operation on a queue is allowed every {PURGE_PAUSE} seconds."
            raise Refusal("PurgeQueueInProgress", said)
        self._purged_at = self._clock()
        self._clear()

    def close(self) -> None:
        """Forget every message and send away whoever waits."""
        self._clear()
        self.is_closed = True
        self.notice()

    def depth(self) -> Depth:
        """How many messages there are now."""
        self.catch_up()
        in_flight, delayed = len(self._in_flight), len(self._delayed)
        return Depth(visible=len(self._messages) - in_flight - delayed, in_flight=in_flight, delayed=delayed)

    def has_visible(self) -> bool:
        """Whether it is worth asking for messages; it may promise one that is gone."""
        return bool(self._visible)

    def is_full(self) -> bool:
        """Whether as many messages are in flight as may be."""
        self.catch_up()
        return len(self._in_flight) >= self._in_flight_limit

    def catch_up(self) -> None:
        """Do what time alone has done: show what is hidden no longer, forget what nobody fetched."""
        now = self._clock()
        while self._returns and self._returns[0][0] <= now:
            until, _, message = heapq.heappop(self._returns)
            if message.hidden_until == until and self._exists(message):
                self._show(message)
        while self._messages and self._is_expired(oldest := next(iter(self._messages.values()))):
            self._forget(oldest)

    def seconds_to_next_return(self) -> float | None:
        """How long until the first hidden message may be visible again; `None` when none is hidden."""
        return max(0.0, self._returns[0][0] - self._clock()) if self._returns else None

    def _next_visible(self) -> Message | None:
        while self._visible:
            place = self._injector.pick(len(self._visible))
            if place:
                self._visible[0], self._visible[place] = self._visible[place], self._visible[0]
            message = self._visible.popleft()
            if not self._exists(message):
                continue
            if not self._is_expired(message):
                return message
            self._forget(message)
        return None

    def _hand_out(self, message: Message, *, seconds: float) -> Delivery:
        message.received_at = self._clock()
        message.first_received_at = message.first_received_at or message.received_at
        message.receive_count += 1
        message.receipt = f"{message.message_id}.{secrets.token_hex(8)}"
        self._in_flight.add(message)
        self._hide(message, seconds=seconds)
        return Delivery(message=message, receipt=message.receipt, receive_count=message.receive_count)

    def _show(self, message: Message, *, first: bool = False) -> None:
        message.hidden_until = None
        self._in_flight.discard(message)
        self._delayed.discard(message)
        if first:
            self._visible.appendleft(message)
        else:
            self._visible.append(message)
        self.notice()

    def _hide(self, message: Message, *, seconds: float) -> None:
        message.hidden_until = self._clock() + seconds
        heapq.heappush(self._returns, (message.hidden_until, next(self._order), message))
        self.notice()

    def _forget(self, message: Message) -> None:
        del self._messages[message.message_id]
        self._in_flight.discard(message)
        self._delayed.discard(message)
        self.notice()

    def _bury(self, message: Message) -> None:
        """Move a message to the dead-letter queue; it keeps its age and its receive count."""
        graveyard = self.dead_letters
        assert graveyard is not None  # noqa: S101 - `_is_spent` asked
        self._forget(message)
        message.source_arn, message.receipt = self.arn, None
        graveyard._messages[message.message_id] = message
        graveyard._show(message)

    def _is_spent(self, message: Message) -> bool:
        redrive = self.attributes.redrive
        return bool(redrive and self.dead_letters and message.receive_count >= redrive.most_receives)

    def _is_expired(self, message: Message) -> bool:
        return self._clock() - message.sent_at >= self.attributes.whole("MessageRetentionPeriod")

    def _exists(self, message: Message) -> bool:
        return self._messages.get(message.message_id) is message

    def _find(self, receipt: str) -> Message | None:
        message_id, dot, _ = receipt.partition(".")
        if not dot:
            raise Refusal("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt}" is not a valid one.')
        return self._messages.get(message_id)
