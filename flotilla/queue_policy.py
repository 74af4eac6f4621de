"""What the run queues promise wherever they are made: on AWS by `cdk/`, on one machine by `flotilla up`."""

from collections.abc import Mapping

from flotilla.states import Priority

QUEUE_NAMES: Mapping[Priority, str] = {Priority.HIGH: "runs-high", Priority.NORMAL: "runs"}
VISIBILITY_SECONDS = 90  # a lease: whoever renews the one renews the other
LONG_POLL_SECONDS = 20
RETENTION_DAYS = 4
DEAD_LETTER_RETENTION_DAYS = 14  # a letter's age goes on counting when it dies, so the dead live longer
MAX_RECEIVES = 1000  # no policy: a run that is preempted often is not poison, and SQS cannot tell


def dead_letter_name(queue: str) -> str:
    """The queue for what was received too often from `queue`, which is given by its name or by its address."""
    return f"{queue}-dead"
