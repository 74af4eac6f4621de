"""The queues: whether both answer to this worker."""

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from flotilla.queue import Depth, RunQueue, sqs_client
from flotilla.settings import QueueSettings
from flotilla.states import Priority
from worker_agent.health.finding import Finding, healthy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MEND = "mend FLOTILLA_QUEUE_URL and FLOTILLA_QUEUE_HIGH_URL, or what this worker is allowed to do with the queues"


def client_of(settings: QueueSettings) -> "SQSClient":
    """A client as the worker's own."""
    return sqs_client(endpoint_url=settings.endpoint_url, region=settings.region, access_key=settings.access_key)


def measure(settings: QueueSettings) -> Mapping[Priority, Depth]:
    """Asks both queues for their depth. Raises `QueueUnavailable`, or what boto3 raises."""
    with closing(client_of(settings)) as client:
        queue = RunQueue(client, urls=settings.queue_urls)
        return {priority: queue.depth(priority) for priority in Priority}


def queue(found: Mapping[Priority, Depth]) -> Finding:
    """The finding on queues that answered."""
    depths = (f"{priority} with {depth.visible:,} messages waiting" for priority, depth in found.items())
    return healthy("queue", f"both queues answer, {' and '.join(depths)}")
