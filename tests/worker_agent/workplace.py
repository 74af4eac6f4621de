"""A small fleet's surroundings: database, queues, shared files, API and pulse; its workers are real processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine

from api.app import ApiContext, Streaming
from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.pulse import Pulse
from flotilla.queue import RunQueue, sqs_client
from flotilla.states import Priority
from flotilla.store.keys import issue_key
from tests.api.bundle import TASK, zipped
from tests.api.serving import client, serving

BOUND_SECONDS = 60.0
BEAT_SECONDS = 0.5
STOP_SECONDS = 40


def until(happened: Callable[[], bool], event: str) -> None:
    """Returns once it has happened; fails, naming the event, if it does not."""
    deadline = time.monotonic() + BOUND_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"not within {BOUND_SECONDS:.0f} s: {event}"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What workers need to work, and what a test asks about it."""

    place: Path
    engine: Engine
    database_url: str
    endpoint: str
    urls: Mapping[Priority, str]
    queue: RunQueue
    http: httpx.Client
    lease_seconds: float

    @property
    def layout(self) -> Layout:
        return Layout(self.place / "shared")

    def scratch(self, name: str) -> Path:
        return self.place / name

    def variables(self, name: str, *, slots: int) -> dict[str, str]:
        """A worker's environment."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path.cwd()),
            "FLOTILLA_DATABASE_URL": self.database_url,
            "FLOTILLA_QUEUE_URL": self.urls[Priority.NORMAL],
            "FLOTILLA_QUEUE_HIGH_URL": self.urls[Priority.HIGH],
            "AWS_ENDPOINT_URL": self.endpoint,
            "FLOTILLA_SHARED": str(self.layout.root),
            "FLOTILLA_SCRATCH": str(self.scratch(name)),
            "FLOTILLA_WORKER_NAME": name,
            "FLOTILLA_SLOTS": str(slots),
            "FLOTILLA_ENVIRONMENT": "sandbox",
            "FLOTILLA_LEASE_SECONDS": str(self.lease_seconds),
            "FLOTILLA_DRAIN_SECONDS": "0",
        }

    @contextmanager
    def worker(self, name: str, *, slots: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        """A real worker, for the length of a `with` block; its log is at `log_of(name)`."""
        command = [sys.executable, "-m", "worker_agent"]
        with self.log_of(name).open("wb") as log:
            process = subprocess.Popen(command, env=self.variables(name, slots=slots), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_of(self, name: str) -> Path:
        return self.place / f"{name}.log"

    @contextmanager
    def beating(self) -> Iterator[None]:
        """The pulse, in a thread of its own; a beat that fails is tried again, and fails the test in the end."""
        pulse = Pulse(
            engine=self.engine, queue=self.queue, layout=self.layout, lease_seconds=self.lease_seconds, limits=Limits()
        )
        stop = threading.Event()
        thread = threading.Thread(target=_beat, args=(pulse, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def submit(self, task: Mapping[str, str] = TASK, *, runs: int = 1, **fields: Any) -> str:
        """A new job of the oracle; its id."""
        bundle = self.http.post("/v1/bundles", content=zipped(task), headers={"Content-Type": "application/zip"})
        order = {"bundle": bundle.json()["id"], "agent": {"name": "oracle"}, "runs": runs, **fields}
        job = self.http.post("/v1/jobs", json=order)
        assert job.status_code == 201, job.text
        job_id: str = job.json()["id"]
        return job_id

    def counts(self, job_id: str) -> Mapping[str, int]:
        counts: Mapping[str, int] = self.get(f"/v1/jobs/{job_id}")["counts"]
        return counts

    def runs(self, job_id: str) -> list[dict[str, Any]]:
        """A job's runs, each with its trials."""
        items = self.get(f"/v1/jobs/{job_id}/runs?limit=200")["items"]
        return [self.get(f"/v1/runs/{run['id']}") for run in items]

    def get(self, path: str) -> dict[str, Any]:
        answer = self.http.get(path)
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document


@contextmanager
def workplace(
    place: Path, *, engine: Engine, database_url: str, endpoint: str, queue_name: str, lease_seconds: float
) -> Iterator[Workplace]:
    """A workplace with queues of its own and an API that answers."""
    made = sqs_client(endpoint_url=endpoint, region="us-east-1")
    urls = {priority: made.create_queue(QueueName=f"{queue_name}-{priority}")["QueueUrl"] for priority in Priority}
    queue = RunQueue(made, urls=urls)
    context = ApiContext(
        engine=engine,
        layout=Layout(place / "shared"),
        queue=queue,
        kick=lambda: None,
        limits=Limits(),
        streaming=Streaming(poll_seconds=0.02),
        run_limit=500,
    )
    with engine.begin() as connection:
        key = issue_key(connection, name="tests")
    with serving(context) as url, client(url, key=key) as http:
        yield Workplace(
            place=place,
            engine=engine,
            database_url=database_url,
            endpoint=endpoint,
            urls=urls,
            queue=queue,
            http=http,
            lease_seconds=lease_seconds,
        )
    made.close()


def _beat(pulse: Pulse, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        pulse.beat()
    pulse.resign()
