"""What every part of a worker shares: made once at its start, handed down, closed at its end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from flotilla.dispatch import send_startable
from flotilla.layout import Layout
from flotilla.queue import RunQueue
from flotilla.store.leases import Claimed
from worker_agent.admission import Admission
from worker_agent.bundle_cache import BundleCache
from worker_agent.environments import Chosen
from worker_agent.secret_values import SecretValues
from worker_agent.settings import WorkerSettings
from worker_agent.threads import Threads
from worker_agent.trial_processes import TrialProcesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """One worker's means, and what its trials run in.

    `environment_of` gives Harbor's environment settings for one trial and its scratch.
    """

    worker_id: str
    engine: Engine
    settings: WorkerSettings
    chosen: Chosen
    threads: Threads
    queue: RunQueue
    layout: Layout
    bundles: BundleCache
    processes: TrialProcesses
    secret_values: SecretValues
    admission: Admission
    trial_variables: Mapping[str, str]
    build_patience: float
    environment_of: Callable[[Claimed, Path], Mapping[str, Any]]

    def send_again(self, run_ids: Sequence[str]) -> None:
        """Sends messages for those of the runs that may start now; the pulse sends the others when they may."""
        send_startable(self.engine, self.queue, run_ids)

    def scratch_of(self, trial_name: str) -> Path:
        """The trial's own directory on the local disk."""
        return self.settings.scratch / "trials" / trial_name
