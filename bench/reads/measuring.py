"""Every read of the API with a million runs in the database, through real HTTP, by several clients at once."""

import random
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import Engine

from bench.faults import BenchFault
from bench.figures import Goal
from bench.measure import Ground, Measure
from bench.percentiles import percentile
from bench.reads import million
from bench.reads.million import Known
from flotilla import database, schema
from flotilla.layout import Layout
from flotilla.local import postgres
from flotilla.local.children import SOURCE
from flotilla.store.keys import issue_key

ALL = "all reads together"
SLOWEST = "the slowest of them"
CLIENTS = 2
READY_SECONDS = 30.0
LOG = b"a line of a log\n" * 256

type Ask = Callable[[random.Random], str]


def run(ground: Ground) -> None:
    """One database, one server; a round asks for everything many times, in random order."""
    with postgres.running(ground.work / "postgres") as server:
        server.create_database("flotilla")
        engine = database.connect(server.url("flotilla"), pool_size=1)
        schema.migrate(engine)
        began = time.monotonic()
        known = million.fill(engine)
        ground.remark(
            f"{million.RUNS:,} runs of {million.JOBS:,} jobs, one of {million.LARGEST:,}, {million.OPEN_JOBS} "
            f"half done (written in {time.monotonic() - began:.0f} s); {CLIENTS} clients at once, default page sizes "
            "unless said"
        )
        shared = ground.work / "shared"
        _lay_logs(known, Layout(shared))
        key = _key(engine)
        engine.dispose()
        with _serving(server.url("flotilla"), shared, log=ground.work / "server.log") as url:
            for number in range(ground.rounds_of(quick=1, full=3)):
                _round(ground, url, key, _reads(known), seed=number)


def _reads(known: Known) -> Mapping[str, Ask]:
    """The path of each read; what a client sees first is asked for as it is, the rest at random."""
    largest = f"/v1/jobs/{known.largest_job}"
    return {
        "jobs": lambda _: "/v1/jobs",
        "jobs, deep, 200": lambda chance: f"/v1/jobs?limit=200&cursor={chance.choice(known.jobs)}",
        "jobs of an experiment": lambda chance: f"/v1/jobs?experiment=experiment-{chance.randrange(40)}",
        "jobs that run": lambda _: "/v1/jobs?state=running",
        "a job": lambda chance: f"/v1/jobs/{chance.choice(known.jobs)}",
        "the largest job": lambda _: largest,
        "its runs": lambda _: f"{largest}/runs",
        "its runs, deep, 200": lambda chance: f"{largest}/runs?limit=200&cursor={chance.randrange(million.LARGEST)}",
        "its errored runs, deep": lambda chance: (
            f"{largest}/runs?state=errored&cursor={chance.randrange(million.LARGEST)}"
        ),
        "a run": lambda chance: f"/v1/runs/{chance.choice(known.ended_runs)}",
        "a result": lambda chance: f"/v1/runs/{chance.choice(known.ended_runs)}/result",
        "a log": lambda chance: f"/v1/runs/{chance.choice(known.ended_runs)}/logs",
        "workers": lambda _: "/v1/workers",
    }


def _round(ground: Ground, url: str, key: str, reads: Mapping[str, Ask], *, seed: int) -> None:
    times = 50 if ground.quick else 200
    with ThreadPoolExecutor(CLIENTS) as clients:
        parts = list(
            clients.map(lambda n: _asked(url, key, reads, times=times, seed=CLIENTS * seed + n), range(CLIENTS))
        )
    taken = {name: [seconds for part in parts for seconds in part[name]] for name in reads}
    together = [seconds for samples in taken.values() for seconds in samples]
    for name, samples in (*taken.items(), (ALL, together)):
        for figure, share in (("p50", 0.5), ("p99", 0.99)):
            ground.note(name, figure, percentile(samples, share) * 1000, unit="ms")
    ground.note(SLOWEST, "p99", max(percentile(samples, 0.99) for samples in taken.values()) * 1000, unit="ms")


def _asked(url: str, key: str, reads: Mapping[str, Ask], *, times: int, seed: int) -> Mapping[str, list[float]]:
    """One client's requests, each of which must succeed."""
    chance = random.Random(seed)  # noqa: S311 - it is to repeat itself
    order = list(reads) * times
    chance.shuffle(order)
    taken: defaultdict[str, list[float]] = defaultdict(list)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        for name in [*reads, *order]:
            path = reads[name](chance)
            began = time.monotonic()
            answer = http.get(path)
            taken[name].append(time.monotonic() - began)
            if not answer.is_success:
                raise BenchFault(f"{path}: {answer.status_code} {answer.text[:500]}")
    return {name: samples[1:] for name, samples in taken.items()}  # the first ones opened the connections


def _lay_logs(known: Known, layout: Layout) -> None:
    for run_id in known.ended_runs:
        name = run_id.removeprefix("run_")
        file = layout.trial(known.largest_job, int(name.rpartition("_")[2]), f"hello__{name}") / "trial.log"
        file.parent.mkdir(parents=True)
        file.write_bytes(LOG)


def _key(engine: Engine) -> str:
    with engine.begin() as connection:
        return issue_key(connection, name="bench")


@contextmanager
def _serving(url: str, shared: Path, *, log: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.reads.serving", url, str(shared), str(descriptor)],
            cwd=SOURCE,
            pass_fds=[descriptor],
            stdout=output,
            stderr=output,
        )
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            _await(address, process, log=log)
            yield address
        finally:
            process.terminate()
            process.wait()


def _await(address: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
    """The socket listens from the start: the first answer comes when the server does."""
    with httpx.Client(timeout=READY_SECONDS) as http:
        try:
            http.get(f"{address}/healthz").raise_for_status()
        except httpx.HTTPError as fault:
            process.kill()
            raise BenchFault(f"the API does not answer ({fault}): {log.read_text()[-500:]}") from fault


MEASURE = Measure(
    key="f",
    title=f"reads of the API with {million.RUNS:,} runs",
    run=run,
    quick=False,
    goals=(Goal(side=ALL, figure="p99", at_most=100.0), Goal(side=SLOWEST, figure="p99", at_most=100.0)),
)
