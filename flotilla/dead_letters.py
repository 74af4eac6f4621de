"""Messages that were received too often: what becomes of the runs they name, and of those that name none.

On AWS SQS brings them to a Lambda function; on one machine `empty` fetches them.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from flotilla.cloudwatch import Publisher
from flotilla.dispatch import send_startable
from flotilla.messages import Message, UnreadableBody, UnreadableMessage, run_of
from flotilla.metrics import Metric
from flotilla.queue import BATCH, RunQueue
from flotilla.states import Priority
from flotilla.store.undelivered import Undelivered, undelivered

MOST_SHOWN = 500  # characters of a body that nobody of ours wrote
RETRY_SECONDS = 30  # after which a letter that could not be settled comes again
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of a dead-letter queue; `sent_at` is when it was sent to the queue that it died on."""

    message_id: str
    body: str
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterOffice:
    """Settles dead letters, one at a time; without a publisher the log alone tells of those that cannot be read.

    Every method raises what the database, the queue or AWS raises: then the letter is to be settled again.
    """

    engine: Engine
    queue: RunQueue
    publisher: Publisher | None = None

    def settle(self, letter: DeadLetter) -> Undelivered | None:
        """What became of the run that it names; None if it names none, which is reported, and the letter is done."""
        try:
            run_id = run_of(letter.body)
        except UnreadableBody as fault:
            self.report(letter.message_id, letter.body, fault=str(fault))
            return None
        return self.deliver(run_id, sent_at=letter.sent_at)

    def deliver(self, run_id: str, *, sent_at: datetime) -> Undelivered:
        """What became of the run whose message, sent at that time, is dead."""
        with self.engine.begin() as connection:
            outcome = undelivered(connection, run_id=run_id, sent_at=sent_at)
        if outcome is not Undelivered.LEFT_ALONE:
            _log.warning("the message of run %s died: %s", run_id, outcome)
        if outcome is Undelivered.ANEW:
            send_startable(self.engine, self.queue, [run_id])  # if that fails, the pulse sends it
        return outcome

    def report(self, message_id: str, body: str, *, fault: str) -> None:
        """Tells of a letter that cannot be read. Nothing could ever be done with it, so it is done."""
        _log.error("message %s cannot be read, %s: %.*r", message_id, fault, MOST_SHOWN, body)
        if self.publisher is not None:
            self.publisher.publish({Metric.UNREADABLE_LETTERS: 1})

    def empty(self, priority: Priority) -> int:
        """Settles what lies dead behind one queue; returns how many letters that were. What fails stays, for later."""
        settled = 0
        while letters := self._fetch(priority):
            done = [letter for letter in letters if self._settled(letter)]
            self.queue.dead_letters.delete(done)
            settled += len(done)
        return settled

    def _fetch(self, priority: Priority) -> list[Message | UnreadableMessage]:
        received = self.queue.dead_letters.receive(
            priority, most=BATCH, wait_seconds=0, visibility_seconds=RETRY_SECONDS
        )
        return [*received.messages, *received.unreadable]

    def _settled(self, letter: Message | UnreadableMessage) -> bool:
        try:
            if isinstance(letter, Message):
                self.deliver(letter.run_id, sent_at=letter.sent_at)
            else:
                self.report(letter.message_id, letter.body, fault=letter.fault)
        except Exception as fault:  # one letter must not hold up the others
            _log.warning("a dead letter is left for later: %s", fault)
            return False
        return True
