"""Fetches the dead letters of a local stack, which on AWS are brought to a Lambda function."""

import logging
from collections.abc import Callable

from flotilla.dead_letters import DeadLetterOffice
from flotilla.states import Priority

LOOK_SECONDS = 2.0

_log = logging.getLogger(__name__)


def keep_settling(office: DeadLetterOffice, *, wait: Callable[[float], bool]) -> None:
    """Empties both dead-letter queues again and again, until `wait(seconds)` says to stop."""
    while not wait(LOOK_SECONDS):
        for priority in Priority:
            try:
                office.empty(priority)
            except Exception as fault:  # whatever failed, the next look tries it again
                _log.warning("the dead letters of %s runs are left for later: %s", priority, fault)
