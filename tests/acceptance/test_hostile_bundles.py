"""Tasks that take all they can get: each run ends with the cause named, and the neighbours are graded."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.acceptance.asking import Asking
from tests.acceptance.conftest import variables
from tests.api.bundle import TASK, TASK_TOML
from tests.flotilla.local.running_stack import running_stack
from worker_agent.docker.engine import Engine

LIMITS = {
    "FLOTILLA_OUTPUT_MB": "48",
    "FLOTILLA_LOG_MB": "1",
    "FLOTILLA_PROCESSES": "300",
    "FLOTILLA_MEMORY_MB": "256",
    "FLOTILLA_STORAGE_MB": "96",
}
BOMB = "f() { f | f & }; while :; do f; sleep 0.1; done"
CROWD = "(while :; do sleep 600 & done) & exec sleep 50"
COMPOSE = "services: {db: {image: debian:bookworm-slim, init: true, command: %s}}\n"
SEPARATE = TASK_TOML + '\n[verifier]\nenvironment_mode = "separate"\n'
SHORT = '[task]\nname = "acme/sum"\n\n[agent]\ntimeout_sec = 3\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A task, and the state and cause that its run must end with."""

    solve: str = "true"
    verify: str = "echo 1 > /logs/verifier/reward.txt"
    more: tuple[tuple[str, str], ...] = ()
    ends: tuple[str, str | None]
    engine_only: bool = False

    @property
    def task(self) -> dict[str, str]:
        scripts = {
            "solution/solve.sh": f"#!/bin/bash\n{self.solve}\n",
            "tests/test.sh": f"#!/bin/bash\n{self.verify}\n",
        }
        return {**TASK, **scripts, **dict(self.more)}


HOSTILE = {
    "forks without end": Hostile(solve=CROWD, ends=("errored", "processes_exceeded")),
    "tests that fork without end": Hostile(verify=BOMB, ends=("errored", "processes_exceeded")),
    "writes without end": Hostile(solve="exec cat /dev/zero > /root/much", ends=("errored", "storage_exceeded")),
    "tests that write without end": Hostile(
        verify="exec cat /dev/zero > /tmp/much", ends=("errored", "storage_exceeded")
    ),
    "artifacts without end": Hostile(solve="exec yes > /logs/artifacts/much", ends=("errored", "output_exceeded")),
    "logs without end": Hostile(solve="exec yes", ends=("errored", "output_exceeded")),
    "tests that log without end": Hostile(verify="exec yes", ends=("errored", "output_exceeded")),
    "tests without enough memory": Hostile(
        verify="head -c 900M /dev/zero | tail > /dev/null", ends=("errored", "memory_exceeded")
    ),
    "no end to SIGTERM": Hostile(
        solve="trap '' TERM INT HUP; while :; do sleep 1; done",
        more=(("task.toml", SHORT),),
        ends=("graded", "agent_budget"),
    ),
    "left in the background": Hostile(
        solve="for n in 1 2; do (trap '' TERM; exec setsid bash -c 'while :; do echo on; sleep 0.2; done') & done",
        ends=("graded", None),
    ),
    "a pipe for a reward": Hostile(verify="mkfifo /logs/verifier/reward.txt", ends=("errored", "verifier")),
    "a reward without end": Hostile(
        verify="ln -s /dev/zero /logs/verifier/reward.json", ends=("errored", "verifier")
    ),
    "a reward of a terabyte": Hostile(verify="truncate -s 1T /logs/verifier/reward.txt", ends=("errored", "verifier")),
    "a service that writes without end": Hostile(
        solve="sleep 60",
        more=(("environment/docker-compose.yaml", COMPOSE % "sh -c 'exec cat /dev/zero > /much'"),),
        ends=("errored", "storage_exceeded"),
        engine_only=True,
    ),
    "a service that forks without end": Hostile(
        solve="sleep 60",
        more=(("environment/docker-compose.yaml", COMPOSE % f"sh -c '{CROWD}'"),),
        ends=("errored", "processes_exceeded"),
        engine_only=True,
    ),
    "a verifier of its own that writes without end": Hostile(
        verify="exec cat /dev/zero > /much", more=(("task.toml", SEPARATE),), ends=("errored", "storage_exceeded")
    ),
}  # fmt: skip


SPITEFUL = Hostile(
    solve="test ! -e /own/trace && touch /own/trace /done",
    verify="test -e /done && echo 1 > /logs/verifier/reward.txt",
    more=(
        (
            "environment/docker-compose.yaml",
            "services:\n  main: {volumes: ['./own:/own']}\n"
            "  db: {build: ./db, image: 'debian:bookworm-slim', init: true, command: sleep infinity}\n",
        ),
        ("environment/own/kept", ""),
        ("environment/db/Dockerfile", "FROM debian:bookworm-slim\nRUN touch /poison\n"),
    ),
    ends=("graded", None),
    engine_only=True,
)
"""Writes where the next trial would read it, and builds under the name of an image that others begin with."""


@pytest.fixture(scope="session")
def limited(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Asking]:
    """A stack of one worker with small limits, in the environment that the test asks for."""
    environment: str = request.param
    given = {**variables(), **LIMITS}
    engine: str | None = request.getfixturevalue("docker_engine") if environment == "docker" else None
    given |= {"DOCKER_HOST": engine} if engine else {}
    directory = tmp_path_factory.mktemp(f"limited-{environment}") / "data"
    with (
        running_stack(directory, "--slots", "20", variables=given, environment=environment) as stack,
        stack.http() as http,
    ):
        yield Asking(http=http, stack=stack, engine=engine)


@pytest.mark.parametrize("limited", ["sandbox", "docker"], indirect=True)
def test_what_takes_all_it_can_get_ends_by_name_and_its_neighbours_are_graded(limited: Asking) -> None:
    cases = {name: case for name, case in HOSTILE.items() if limited.engine or not case.engine_only}
    worker = limited.stack.part("worker_agent")
    jobs = {name: limited.submit(case.task) for name, case in cases.items()}
    neighbours = limited.submit(TASK, runs=4)
    runs = {name: limited.ended(job_id)[0] for name, job_id in jobs.items()}
    assert {name: (run["state"], run["cause"]) for name, run in runs.items()} == {
        name: case.ends for name, case in cases.items()
    }
    assert all(len(run["trials"]) == 1 for run in runs.values()), "a limit is the run's own error"
    assert [run["state"] for run in limited.ended(neighbours)] == ["graded"] * 4
    assert limited.stack.part("worker_agent") == worker
    flood = limited.shared / runs["logs without end"]["trials"][0]["path"] / "agent" / "oracle.txt"
    assert flood.read_bytes().endswith(b" bytes that are kept of one]\n")
    assert flood.stat().st_size < 3 << 20


@pytest.mark.parametrize("limited", ["docker"], indirect=True)
def test_no_trial_finds_what_another_wrote_or_built(limited: Asking) -> None:
    engine = Engine(limited.engine)

    def image() -> str:
        return str(asyncio.run(engine.json("GET", "/images/debian:bookworm-slim/json"))["Id"])

    before = image()
    runs = limited.ended(limited.submit(SPITEFUL.task, runs=2))
    assert [(run["state"], run["reward"]) for run in runs] == [("graded", 1.0)] * 2, runs[0]["log_tail"]
    assert image() == before
