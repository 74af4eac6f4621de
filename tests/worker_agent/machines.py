"""Real worker processes on a real database and our own queue, with the metadata of their instances to play with."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, text

from flotilla.archive import Limits
from flotilla.dispatch import dispatch
from flotilla.layout import Layout
from flotilla.local.metadata import Metadata
from flotilla.local.queues import REGION, queue_urls
from flotilla.queue import RunQueue, sqs_client
from flotilla.receiving import arriving, receive_bundle
from flotilla.states import Priority
from flotilla.store.jobs import NewJob
from flotilla.submission import submit
from tests.api.bundle import TASK, zipped

BOUND_SECONDS = 60.0
LOOK_SECONDS = 0.05
TENANT = "default"


class Gate:
    """What a task's solution waits at until it is opened: a port of loopback, which sandboxes share."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))

    @property
    def task(self) -> Mapping[str, str]:
        """A task that tells its log when it has begun, and goes on once the gate is open."""
        port = self._socket.getsockname()[1]
        wait = f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done"
        return {**TASK, "solution/solve.sh": f"#!/bin/bash\necho begun\n{wait}\n"}

    def open(self) -> None:
        self._socket.listen(100)

    def close(self) -> None:
        self._socket.close()


@dataclass(slots=True, kw_only=True)
class Machines:
    """One database, one queue, one shared directory; workers come and go."""

    engine: Engine
    layout: Layout
    queue: RunQueue
    metadata: Metadata
    metadata_url: str
    variables: Mapping[str, str]
    directory: Path
    ends: ExitStack = field(default_factory=ExitStack)

    def gate(self) -> Gate:
        gate = Gate()
        self.ends.callback(gate.close)
        return gate

    def submit(self, task: Mapping[str, str], *, runs: int = 1, send: bool = True) -> list[str]:
        """A job's runs, sent to the queue."""
        with arriving(self.layout) as arrival:
            arrival.write(zipped(task))
            bundle = receive_bundle(self.engine, arrival, tenant=TENANT, layout=self.layout, limits=Limits())
        job = NewJob(tenant=TENANT, bundle_id=bundle.id, runs=runs, agent_name="oracle")
        job_id = submit(self.engine, job, bundle=bundle, layout=self.layout)
        if send:
            self.send()
        return [row.id for row in self.rows("SELECT id FROM runs WHERE job_id = :id ORDER BY number", id=job_id)]

    def send(self) -> None:
        dispatch(self.engine, self.queue)

    def start(self, name: str, **variables: str) -> subprocess.Popen[bytes]:
        """A worker's process, which has registered when this returns. It is the instance of its name."""
        given = {
            **self.variables,
            "FLOTILLA_WORKER_NAME": name,
            "FLOTILLA_SCRATCH": str(self.directory / name),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self.metadata_url}/{name}",
            **variables,
        }
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "worker_agent"], env=given, stdout=log, stderr=log)
        self.ends.callback(_end, process)
        self.until(lambda: self.worker(name) is not None, f"{name} has registered:\n{self.log(name)}")
        return process

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def worker(self, name: str) -> Row[Any] | None:
        return next(iter(self.rows("SELECT * FROM workers WHERE name = :n ORDER BY started_at DESC", n=name)), None)

    def run(self, run_id: str) -> Row[Any]:
        return self.rows("SELECT * FROM runs WHERE id = :id", id=run_id)[0]

    def trials(self, run_id: str) -> list[Row[Any]]:
        """The run's trials, in their order, each with its worker's name."""
        find = """
            SELECT trials.*, workers.name AS worker FROM trials JOIN workers ON workers.id = trials.worker_id
            WHERE run_id = :id ORDER BY number
        """
        return self.rows(find, id=run_id)

    def rows(self, statement: str, **words: Any) -> list[Row[Any]]:
        with self.engine.begin() as connection:
            return list(connection.execute(text(statement), words))

    def has_begun(self, run_id: str, *, trial: int = 1) -> bool:
        """Whether the solution of its trial of that number runs, by what was shipped of its log."""
        trials = [one for one in self.trials(run_id) if one.number == trial]
        return any("begun" in self.agent_log(run_id, one.name) for one in trials)

    def agent_log(self, run_id: str, trial_name: str) -> str:
        run = self.run(run_id)
        path = self.layout.trial(run.job_id, run.number, trial_name) / "agent" / "oracle.txt"
        return path.read_text() if path.is_file() else ""

    def until(self, happened: Callable[[], bool], event: str, *, seconds: float = BOUND_SECONDS) -> float:
        """Returns how long it took; fails, naming the event, if it does not happen."""
        began = time.monotonic()
        while not happened():
            assert time.monotonic() < began + seconds, f"not within {seconds:.0f} s: {event}"
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began


@contextmanager
def machines(engine: Engine, *, sqs_url: str, metadata: Metadata, metadata_url: str, root: Path) -> Iterator[Machines]:
    """A place without workers; at its end it has none any more. The endpoint, which has our queues, is its alone."""
    (root / "shared").mkdir()
    urls = queue_urls(sqs_url)
    client = sqs_client(endpoint_url=sqs_url, region=REGION, access_key="key")
    place = Machines(
        engine=engine,
        layout=Layout(root / "shared"),
        queue=RunQueue(client, urls=urls),
        metadata=metadata,
        metadata_url=metadata_url,
        directory=root,
        variables={
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "FLOTILLA_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "FLOTILLA_QUEUE_URL": urls[Priority.NORMAL],
            "FLOTILLA_QUEUE_HIGH_URL": urls[Priority.HIGH],
            "FLOTILLA_SHARED": str(root / "shared"),
            "FLOTILLA_SLOTS": "6",  # so few are asked for with short polls
            "FLOTILLA_ENVIRONMENT": "sandbox",
            "AWS_ENDPOINT_URL": sqs_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        },
    )
    with place.ends:
        yield place
    client.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Two signals: the first would let it finish what runs."""
    for _ in range(2):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(LOOK_SECONDS)  # so that they are two: the kernel keeps one of a kind
    try:
        process.wait(BOUND_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
