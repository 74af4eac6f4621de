"""What a test asks of a whole stack, as any client would."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from flotilla.archive import pack
from tests.api.bundle import zipped
from tests.flotilla.local.running_stack import RunningStack, until

ENDED = {"done", "cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A stack and a client with its key; `engine` is where its Docker engine answers, if it has one."""

    http: httpx.Client
    stack: RunningStack
    engine: str | None = None

    @property
    def shared(self) -> Path:
        return self.stack.directory / "shared"

    def submit(self, task: Path | Mapping[str, str], **order: Any) -> str:
        """Uploads a task, from a directory or as files, and asks for runs by the oracle; the job's id."""
        bundle = self._sent(
            self.http.post("/v1/bundles", content=_packed(task), headers={"Content-Type": "application/zip"})
        )
        job = self.http.post("/v1/jobs", json={"bundle": bundle["id"], "agent": {"name": "oracle"}, **order})
        job_id: str = self._sent(job)["id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        return self._sent(self.http.get(f"/v1/jobs/{job_id}"))

    def runs(self, job_id: str) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self._sent(self.http.get(f"/v1/jobs/{job_id}/runs?limit=200"))["items"]
        return runs

    def histories(self, job_id: str) -> list[dict[str, Any]]:
        """The job's runs, each with its trials."""
        return [self._sent(self.http.get(f"/v1/runs/{run['id']}")) for run in self.runs(job_id)]

    def ended(self, job_id: str) -> list[dict[str, Any]]:
        """Waits for the job's end; its runs, each with its trials."""
        until(lambda: self.job(job_id)["state"] in ENDED, f"{job_id} has ended")
        return self.histories(job_id)

    def messages(self) -> int:
        """How many messages the queues hold, those that a worker has too."""
        queues = self._sent(self.http.get("/v1/queues"))["items"]
        return sum(queue["visible"] + queue["in_flight"] for queue in queues)

    def _sent(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document


def _packed(task: Path | Mapping[str, str]) -> bytes:
    if not isinstance(task, Path):
        return zipped(task)
    archive = io.BytesIO()
    pack(task, archive)
    return archive.getvalue()
