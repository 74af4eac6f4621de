"""Messages that were received too often: what becomes of the runs they name, and of those that name none."""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from flotilla.cloudwatch import Publisher
from flotilla.dispatch import send_startable
from flotilla.messages import UnreadableBody, run_of
from flotilla.metrics import Metric
from flotilla.queue import RunQueue
from flotilla.store.undelivered import Undelivered, undelivered

MOST_SHOWN = 500  # characters of a body that nobody of ours wrote
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of a dead-letter queue; `sent_at` is when it was sent to the queue that it died on."""

    message_id: str
    body: str
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterOffice:
    """Settles dead letters, one at a time."""

    engine: Engine
    queue: RunQueue
    publisher: Publisher

    def settle(self, letter: DeadLetter) -> Undelivered | None:
        """What became of the run that it names; None if it names none, which is reported, and the letter is done.

        Raises what the database, the queue or AWS raises: then the letter is to be settled again.
        """
        try:
            run_id = run_of(letter.body)
        except UnreadableBody as fault:
            self._report(letter, fault)
            return None
        with self.engine.begin() as connection:
            outcome = undelivered(connection, run_id=run_id, sent_at=letter.sent_at)
        if outcome is not Undelivered.LEFT_ALONE:
            _log.warning("the message of run %s died: %s", run_id, outcome)
        if outcome is Undelivered.ANEW:
            send_startable(self.engine, self.queue, [run_id])  # if that fails, the pulse sends it
        return outcome

    def _report(self, letter: DeadLetter, fault: UnreadableBody) -> None:
        _log.error("message %s cannot be read, %s: %.*r", letter.message_id, fault, MOST_SHOWN, letter.body)
        self.publisher.publish({Metric.UNREADABLE_LETTERS: 1})
