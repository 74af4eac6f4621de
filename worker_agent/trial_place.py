"""The directories of one trial: its scratch on this host, Harbor's part of that, and its place on the shared files."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from worker_agent.bounds import Amount
from worker_agent.environments import NOTES
from worker_agent.publication import publish
from worker_agent.redaction import Redactor
from worker_agent.sandbox.groups import groups_of
from worker_agent.sandbox.leftovers import remove_scratch
from worker_agent.shipping import TrialLogs


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlace:
    """`scratch` holds all that the trial has on this host; `shared` is where its files are put out."""

    scratch: Path
    name: str
    shared: Path

    @property
    def local(self) -> Path:
        """The directory that Harbor writes, and that is put out."""
        return self.scratch / "trials" / self.name

    @property
    def outcome(self) -> Path:
        return self.scratch / "outcome.json"

    @property
    def process_log(self) -> Path:
        return self.scratch / "process.log"

    @property
    def notes(self) -> Path:
        """What its environment noted of limits that it was at."""
        return self.scratch / NOTES

    def logs(self, *, agent: str, redactor: Redactor, most_bytes: int) -> TrialLogs:
        """The logs that are put out while they grow."""
        return TrialLogs(local=self.local, shared=self.shared, agent=agent, redactor=redactor, most_bytes=most_bytes)

    def put_out(self, *, redactor: Redactor, shipped: frozenset[str], most: Amount) -> None:
        """Every file that was not shipped, `result.json` last."""
        publish(self.local, self.shared, redactor=redactor, shipped=shipped, most=most)

    def make_shared(self) -> None:
        self.shared.mkdir(parents=True, exist_ok=True)

    def own_task(self, task_directory: Path) -> Path:
        """A copy of the task: a service may mount folders of it and write there, where no other trial must see it."""
        return shutil.copytree(task_directory, self.scratch / "task", symlinks=True)

    def remove_scratch(self) -> None:
        """With the control groups of a process that was killed. Raises OSError for what stays."""
        for group in groups_of(self.scratch / "sandbox"):
            group.remove()
        remove_scratch(self.scratch)
