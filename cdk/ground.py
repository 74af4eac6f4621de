"""What API and workers stand on."""

from dataclasses import dataclass

from cdk.database_stack import DatabaseStack
from cdk.network_stack import NetworkStack
from cdk.queue_stack import QueueStack
from cdk.run_queue import RunQueue
from cdk.storage_stack import StorageStack


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The stacks that hold what lasts, or what the others meet at."""

    network: NetworkStack
    storage: StorageStack
    database: DatabaseStack
    queues: QueueStack

    @property
    def queue_pair(self) -> tuple[RunQueue, RunQueue]:
        """The one that is received from first, and the other."""
        return self.queues.high, self.queues.normal
