"""A stack as anybody starts it with `flotilla up`, for as long as a measure needs it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench import engine
from bench.faults import BenchFault
from flotilla.cli.client import Client
from flotilla.cli.connection import KEY_VARIABLE, URL_VARIABLE, Connection
from flotilla.cli.documents import Job, Run
from flotilla.cli.task_archive import open_task
from flotilla.local.children import SOURCE

HELLO = SOURCE / "examples" / "tasks" / "hello"
LOOK_SECONDS = 0.02
LOOK_SHARE = 0.02
"""How often a job is looked at: after so many seconds, later after that share of what it has taken. Each look costs the
API some milliseconds, which are in the price of the CPU, and the wait for the next one is in the price of the wall."""
JOB_SECONDS = 900.0
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running stack, its client, and the process that all its parts descend from."""

    client: Client
    connection: Connection
    pid: int
    directory: Path

    def upload(self, task: Path = HELLO) -> str:
        """Uploads a task; the bundle's id."""
        with open_task(task) as archive:
            return self.client.upload_bundle(archive.file, content_type=archive.content_type)["id"]

    def order(self, bundle_id: str, *, runs: int) -> Job:
        """Asks for runs by the oracle."""
        return self.client.create_job({"agent": {"name": "oracle"}, "runs": runs}, bundle_id=bundle_id)

    def finished(self, job: Job, *, seconds: float = JOB_SECONDS) -> list[Run]:
        """Its runs, once the API shows the last of them graded 1.0. Raises BenchFault if one is not."""
        began = time.monotonic()
        while (seen := self.client.job(job["id"]))["state"] == "running":
            if (taken := time.monotonic() - began) > seconds:
                raise BenchFault(f"the job was not done within {seconds:.0f} s: {seen['counts']}")
            time.sleep(max(LOOK_SECONDS, LOOK_SHARE * taken))
        if seen["counts"]["graded"] != job["runs"] or seen["mean_reward"] != 1.0:
            causes = {f"{run['cause']}: {run['message']}" for run in self.client.runs(job["id"]) if run["cause"]}
            raise BenchFault(f"not all runs were graded 1.0: {seen['counts']}, {sorted(causes)}")
        return list(self.client.runs(job["id"]))

    def await_no_containers(self) -> None:
        """Returns once no trial of this stack has one any more, which may be after its run is graded."""
        engine.await_no_containers([worker["name"] for worker in self.client.workers()])


@contextmanager
def running(
    directory: Path,
    *options: str,
    slots: int,
    workers: int = 1,
    environment: str = "docker",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """A ready stack on a free port; `options` are further ones of `flotilla up`."""
    words = ["--port", "0", "--data-dir", str(directory), "--environment", environment]
    words += ["--workers", str(workers), "--slots", str(slots), *options]
    with_us = ["setpriv", "--pdeathsig", "TERM"]  # it stops even if this process is killed
    process = subprocess.Popen(
        [*with_us, sys.executable, "-m", "flotilla.cli.main", "up", *words],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(variables or {})},
    )
    try:
        connection = _connection(process)
        with Client.opened(connection) as client:
            yield Stack(client=client, connection=connection, pid=process.pid, directory=directory)
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)


def unix_seconds(moment: str) -> float:
    """A time as the API gives it, in seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def _connection(process: subprocess.Popen[str]) -> Connection:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    lines = [process.stdout.readline().strip().partition("=") for _ in (URL_VARIABLE, KEY_VARIABLE)]
    told = {name: value for name, _, value in lines}
    if KEY_VARIABLE not in told:
        raise BenchFault("the stack did not start: its last lines on standard error say why")
    return Connection(url=told[URL_VARIABLE], api_key=told[KEY_VARIABLE])
