"""What a worker reads from its environment, once."""

import os
import socket
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from flotilla.scaling import TENURE, Tenure
from flotilla.settings import QueueSettings
from worker_agent.instance_metadata import DEFAULT_ENDPOINT
from worker_agent.trial_processes import MOST_TRIALS

CPU_OVERCOMMIT = 8.0
"""Sixty trials that declare a CPU each fit eight: agents wait for their model most of the time."""


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
    image_budget_gb: float | None = field(default=None, metadata={"least": 0})
    """How much of the engine's disk images may take up that were built or pulled for trials; by default half of it."""
    trial_subnet: str | None = None
    """The addresses of this worker's containers; by default one of the engine's pools, which must hold every slot."""
    allow_host_access: bool = False
    """Whether the Compose file of a task may ask for what is the host's; the API has the same setting."""
    storage_mb: int = field(default=10_240, metadata={"least": 1})
    """What a trial may write into its environment if its task declares nothing."""
    output_mb: int = field(default=2_048, metadata={"least": 1})
    """What a trial may leave as logs and artifacts, and its own process may write."""
    log_mb: int = field(default=64, metadata={"least": 1})
    """What is kept of each log of a trial."""
    processes: int = field(default=4_096, metadata={"least": 1})
    """How many processes and threads each container of a trial may have, or its sandbox."""
    memory_mb: int | None = None
    """What a trial may use if its task declares nothing; by default half of this host's memory."""
    cpu_overcommit: float = field(default=CPU_OVERCOMMIT, metadata={"least": 1})
    """How many times over the host's CPUs may be promised to trials, by what their tasks declare."""
    memory_overcommit: float = field(default=4, metadata={"least": 1})
    storage_overcommit: float = field(default=8, metadata={"least": 1})
    pause_stall: float = field(default=0.25, metadata={"least": 0})
    """Above this share of time in which all processes wait for memory or I/O, nothing more is received."""
    contended_stall: float = field(default=0.4, metadata={"least": 0})
    """Above this share of a trial's life in which the host stood still, the trial is marked as contended."""
    hidden: str = ""
    secrets_file: Path | None = None
    secrets_prefix: str | None = None
    """What the names of job secrets begin with in Secrets Manager; without it they are this machine's own."""
    lease_seconds: float = field(default=90, metadata={"least": 1})
    nursery_trials: int = field(default=MOST_TRIALS, metadata={"least": 1})
    """After so many trials a new process takes the place of the one that forks them."""
    drain_seconds: float = field(default=240, metadata={"least": 0})
    group: str | None = None
    """The Auto Scaling group that this worker's instance is in; without one it never leaves by itself."""
    lifecycle_hook: str | None = None
    metadata_endpoint: str | None = field(default=None, metadata={"variable": "AWS_EC2_METADATA_SERVICE_ENDPOINT"})
    idle_seconds: float = field(default=TENURE.idle_seconds, metadata={"least": 1})
    idle_seconds_never_worked: float = field(default=TENURE.idle_seconds_never_worked, metadata={"least": 1})
    retirement_seconds: float = field(default=TENURE.retirement_seconds, metadata={"least": 0})
    retirement_trials: int = field(default=TENURE.retirement_trials, metadata={"least": 1})

    @property
    def metadata_url(self) -> str | None:
        """Where the instance's metadata are. None on one machine, which is nobody's instance: nothing is asked then."""
        return self.metadata_endpoint or (DEFAULT_ENDPOINT if self.group else None)

    @property
    def tenure(self) -> Tenure:
        """How long this worker stays."""
        return Tenure(
            idle_seconds=self.idle_seconds,
            idle_seconds_never_worked=self.idle_seconds_never_worked,
            retirement_seconds=self.retirement_seconds,
            retirement_trials=self.retirement_trials,
        )

    @property
    def hidden_paths(self) -> list[Path]:
        """What no sandboxed task may see: what is named, and all trials' files."""
        named = [Path(path) for path in self.hidden.split(os.pathsep) if path]
        return [*named, self.shared, self.scratch]

    @property
    def renewal_seconds(self) -> float:
        """Three renewals a lease: two may fail before it ends."""
        return self.lease_seconds / 3
