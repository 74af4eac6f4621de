"""The queues of a local stack: where they are, and how their endpoint, a memory, is told to make them.

They are there before it answers anybody: a worker that finds no queue takes itself for misplaced, and ends.
"""

from flotilla.local.sqs.account import ACCOUNT_ID
from flotilla.queue_policy import MAX_RECEIVES, QUEUE_NAMES, dead_letter_name
from flotilla.states import Priority

REGION = "us-east-1"


def queue_urls(endpoint: str) -> dict[Priority, str]:
    """The addresses of the two queues that runs are sent to."""
    return {priority: f"{endpoint}/{ACCOUNT_ID}/{name}" for priority, name in QUEUE_NAMES.items()}


def queue_options() -> list[str]:
    """The options by which `python -m flotilla.local.sqs` has both and their dead-letter queues from the start."""
    return [
        word for name in QUEUE_NAMES.values() for word in ("--queue", f"{name}={dead_letter_name(name)}:{MAX_RECEIVES}")
    ]
