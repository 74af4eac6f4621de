"""What a worker reads from its environment, once."""

import os
import socket
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from flotilla.settings import QueueSettings


class Wanted(StrEnum):
    """Which environment trials are to run in."""

    AUTO = "auto"
    DOCKER = "docker"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(QueueSettings):
    """A worker's settings, beside where the truth, the files and the queues are. Times in seconds."""

    worker_name: str = field(default_factory=socket.gethostname)
    scratch: Path = Path("/var/lib/flotilla-worker")
    slots: int = field(default=60, metadata={"least": 1})
    environment: Wanted = Wanted.AUTO
    governor: Path | None = None
    """What all workers of this host share, for the host-wide limits on the engine; by default one's own scratch."""
    trial_subnet: str | None = None
    """The addresses of this worker's containers; by default one of the engine's pools, which must hold every slot."""
    allow_host_access: bool = False
    """Whether the Compose file of a task may ask for what is the host's; the API has the same setting."""
    hidden: str = ""
    secrets_file: Path | None = None
    lease_seconds: float = field(default=90, metadata={"least": 1})
    drain_seconds: float = field(default=240, metadata={"least": 0})

    @property
    def hidden_paths(self) -> list[Path]:
        """What no sandboxed task may see: what is named, and all trials' files."""
        named = [Path(path) for path in self.hidden.split(os.pathsep) if path]
        return [*named, self.shared, self.scratch]

    @property
    def renewal_seconds(self) -> float:
        """Three renewals a lease: two may fail before it ends."""
        return self.lease_seconds / 3
