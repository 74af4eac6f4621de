"""What a local stack is asked to be."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flotilla.local.data_directory import DataDirectory
from flotilla.local.faults import StackFault
from worker_agent.environments import Chosen, EnvironmentUnavailable, choose
from worker_agent.settings import Wanted

LOCAL_QUEUE = {"AWS_ENDPOINT_URL": "http://127.0.0.1"}  # by which a worker knows that it is not on AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One stack. `environment` is auto, docker or sandbox; `variables` are those that `flotilla up` was called with.

    Workers take secrets out of the variables.
    """

    directory: DataDirectory
    port: int
    workers: int
    slots: int
    environment: str
    secrets_file: Path | None
    variables: Mapping[str, str] = field(repr=False)
    worker_module: str = "worker_agent"
    variables_of: Callable[[str], Mapping[str, str]] = lambda _: {}
    """What the worker of a name is given beside."""
    queue_options: Sequence[str] = ()
    """Faults of the queue, as `python -m flotilla.local.sqs` takes them."""

    @property
    def worker_names(self) -> list[str]:
        """The same at every start."""
        return [self.worker_name(number) for number in range(1, self.workers + 1)]

    def worker_name(self, number: int) -> str:
        """No other stack's: a worker clears up by its name what it finds in the engine."""
        digest = hashlib.sha256(str(self.directory.root.resolve()).encode()).hexdigest()[:4]
        return f"worker-{number}-{digest}"

    async def choose_environment(self) -> Chosen:
        """Where the trials of this stack will run, and why. Raises StackFault if they can run nowhere."""
        scratch = self.directory.root / "workers"
        try:
            return await choose(Wanted(self.environment), scratch=scratch, environ={**self.variables, **LOCAL_QUEUE})
        except EnvironmentUnavailable as fault:
            raise StackFault(str(fault)) from fault

    def check_secrets_file(self) -> None:
        """Raises StackFault if it is named and not there."""
        if self.secrets_file is not None and not self.secrets_file.is_file():
            raise StackFault(f"the secrets file {self.secrets_file} is not there: give a file of NAME=value lines")
