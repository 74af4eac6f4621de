"""What a worker reads from its environment, once."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from flotilla.settings import StoreSettings
from flotilla.states import Priority


class Wanted(StrEnum):
    """Which environment trials are to run in."""

    AUTO = "auto"
    DOCKER = "docker"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(StoreSettings):
    """A worker's settings, beside where the truth and the files are. Times in seconds."""

    queue_url: str
    queue_high_url: str
    worker_name: str = field(default_factory=socket.gethostname)
    scratch: Path = Path("/var/lib/flotilla-worker")
    slots: int = field(default=60, metadata={"least": 1})
    environment: Wanted = Wanted.AUTO
    governor: Path | None = None
    """What all workers of this host share, for the host-wide limits on the engine; by default one's own scratch."""
    trial_subnet: str | None = None
    """The addresses of this worker's containers; by default one of the engine's pools, which must hold every slot."""
    hidden: str = ""
    secrets_file: Path | None = None
    lease_seconds: float = field(default=90, metadata={"least": 1})
    drain_seconds: float = field(default=240, metadata={"least": 0})
    endpoint_url: str | None = field(default=None, metadata={"variable": "AWS_ENDPOINT_URL"})
    access_key: str | None = field(default=None, repr=False, metadata={"variable": "AWS_ACCESS_KEY_ID"})
    """For an endpoint of one's own; on AWS the instance's role signs."""
    region: str = field(default="us-east-1", metadata={"variable": "AWS_REGION"})

    @property
    def queue_urls(self) -> Mapping[Priority, str]:
        """The queue of each priority."""
        return {Priority.HIGH: self.queue_high_url, Priority.NORMAL: self.queue_url}

    @property
    def hidden_paths(self) -> list[Path]:
        """What no sandboxed task may see: what is named, and all trials' files."""
        named = [Path(path) for path in self.hidden.split(os.pathsep) if path]
        return [*named, self.shared, self.scratch]

    @property
    def renewal_seconds(self) -> float:
        """Three renewals a lease: two may fail before it ends."""
        return self.lease_seconds / 3
