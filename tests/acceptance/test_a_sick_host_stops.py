"""A worker whose Docker is broken takes no more runs after three of them, and its neighbour grades them all."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from flotilla.budgets import FORGIVEN_INFRASTRUCTURE
from tests.acceptance.asking import Asking
from tests.acceptance.conftest import variables
from tests.api.bundle import without
from tests.flotilla.local.running_stack import RunningStack, running_stack, until
from tests.worker_agent.engine_proxy import FAULT, EngineProxy, proxied
from worker_agent.fitness import MOST_FAILED

RUNS = 100
SLOTS = 8
SICK = "worker-sick"
TOML = '[task]\nname = "acme/sum"\n\n[environment]\ndocker_image = "debian:bookworm-slim"\n'
PREBUILT = {**without("environment/Dockerfile"), "task.toml": TOML}
"""Of an image that is there, so that nothing is built."""


def told(process: int) -> dict[str, str]:
    """The variables that a process was started with."""
    words = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


@contextmanager
def another_worker(stack: RunningStack, *, name: str, **more: str) -> Iterator[None]:
    """A worker beside the stack's own, started with the same variables but for some."""
    first = stack.part("worker_agent")
    assert first is not None
    scratch = stack.directory / "workers" / name
    given: Mapping[str, str] = {
        **told(first), "FLOTILLA_WORKER_NAME": name, "FLOTILLA_SCRATCH": str(scratch), **more
    }  # fmt: skip
    with (stack.directory / "logs" / f"{name}.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "worker_agent"], env=given, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def engine_proxy(docker_engine: str, tmp_path: Path) -> Iterator[EngineProxy]:
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        yield proxy


def test_a_broken_engine_costs_three_trials_and_no_run(
    docker_engine: str, engine_proxy: EngineProxy, tmp_path: Path
) -> None:
    given = {**variables(), "DOCKER_HOST": docker_engine}
    with (
        running_stack(tmp_path / "data", "--slots", str(SLOTS), variables=given, environment="docker") as stack,
        another_worker(stack, name=SICK, DOCKER_HOST=engine_proxy.address),
        stack.http() as http,
    ):
        asking = Asking(http=http, stack=stack)

        def sick() -> dict[str, str | None]:
            workers = http.get("/v1/workers").json()["items"]
            return next((worker for worker in workers if worker["name"] == SICK), {"state": None})

        until(lambda: sick()["state"] == "accepting", "the second worker accepts")
        engine_proxy.broken = True
        job_id = asking.submit(PREBUILT, runs=RUNS)
        until(lambda: sick()["state"] == "unfit", "it says that it is unfit")
        until(lambda: f"docker: a container cannot be started: {FAULT}" in str(sick()["reason"]), "it says why")
        for graded in range(RUNS // 4, RUNS, RUNS // 4):
            until(lambda graded=graded: asking.job(job_id)["counts"]["graded"] >= graded, f"{graded} are graded")  # type: ignore[misc]
        runs = asking.ended(job_id)
        assert sick()["state"] == "unfit"
    assert [run["state"] for run in runs] == ["graded"] * RUNS
    failed = [trial for run in runs for trial in run["trials"] if trial["worker"] == SICK]
    assert MOST_FAILED <= len(failed) < MOST_FAILED + SLOTS, "three, and what was under way beside the third"
    assert {(trial["state"], trial["cause"]) for trial in failed} == {("errored", "sandbox")}
    assert max(len(run["trials"]) for run in runs) <= 1 + FORGIVEN_INFRASTRUCTURE
