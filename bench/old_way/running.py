"""Redis, a Celery worker and its client, started on loopback for a `with` block, and ended with it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.faults import BenchFault, MissingPart
from flotilla.local.children import SOURCE

CELERY = SOURCE / ".cache" / "celery" / "bin"
LOOPBACK = "127.0.0.1"
READY_SECONDS = 30.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class OldWay:
    """A running one; its worker has answered."""

    client: subprocess.Popen[str]

    def ask(self, task: str, arguments: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
        """Has a task of `bench.old_way.tasks` done once with each of the arguments, and waits for all."""
        assert self.client.stdin is not None  # noqa: S101 - both were asked for
        assert self.client.stdout is not None  # noqa: S101
        self.client.stdin.write(json.dumps({"task": task, "arguments": arguments}) + "\n")
        self.client.stdin.flush()
        if not (line := self.client.stdout.readline()):
            raise BenchFault("the client of the old way ended: its last lines on standard error say why")
        answer: dict[str, list[Any]] = json.loads(line)
        return answer


def check() -> None:
    """Raises MissingPart if Redis or Celery is not there."""
    if shutil.which("redis-server") is None:
        raise MissingPart("redis-server is missing: apt-get install redis-server, or .ci/bench-tools as root")
    if not (CELERY / "celery").exists():
        raise MissingPart("Celery is missing: `make .cache/celery/ready` installs it there")


@contextmanager
def running(work: Path, *, processes: int, variables: Mapping[str, str] | None = None) -> Iterator[OldWay]:
    """The old way with so many worker processes, warm: a task has passed through it. Its commands get the variables."""
    work.mkdir(parents=True)
    with ExitStack() as stack:
        port = _free_port()
        redis = ["redis-server", "--bind", LOOPBACK, "--port", str(port), "--dir", str(work), "--save", ""]
        stack.enter_context(_running(redis, log=work / "redis.log"))
        _await_listening(port, log=work / "redis.log")
        variables = {**os.environ, **(variables or {}), "BENCH_REDIS": f"redis://{LOOPBACK}:{port}/0"}
        worker = [str(CELERY / "celery"), "-A", "bench.old_way.tasks", "worker", "-c", str(processes), "-l", "warning"]
        stack.enter_context(_running(worker, log=work / "worker.log", variables=variables))
        client = stack.enter_context(_client(variables))
        old_way = OldWay(client=client)
        old_way.ask("moment", [[]] * processes)
        yield old_way


@contextmanager
def _running(command: Sequence[str], *, log: Path, variables: Mapping[str, str] | None = None) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=SOURCE,
            env=variables,
            start_new_session=True,
        )
    try:
        yield
    finally:
        _end(process)
        with suppress(ProcessLookupError):  # then it left none of its own behind
            os.killpg(process.pid, signal.SIGTERM)


@contextmanager
def _client(variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    client = subprocess.Popen(
        [str(CELERY / "python"), "-m", "bench.old_way.asking"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=SOURCE,
        env=variables,
    )
    try:
        yield client
    finally:
        _end(client)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _await_listening(port: int, *, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        if time.monotonic() > deadline:
            raise BenchFault(f"Redis does not listen: {log.read_text(errors='replace')[-500:]}")
        time.sleep(LOOK_SECONDS)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
