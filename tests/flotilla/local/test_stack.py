"""`flotilla up` and `down`: a whole stack starts, mends itself, and leaves nothing."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flotilla.local.leftovers import left_on_engine, left_on_host
from tests.api.bundle import TASK, zipped
from tests.flotilla.local.running_stack import COMMAND, RunningStack, running_stack, until, until_nothing_is_left

SLEEPER = {**TASK, "solution/solve.sh": "#!/bin/sh\nsleep 60\n"}
SLOW = {**TASK, "solution/solve.sh": "#!/bin/sh\nsleep 2\n"}
SECRET = "value-of-nobodys-business"


def variables(**more: str) -> dict[str, str]:
    return {**os.environ, "FLOTILLA_LEASE_SECONDS": "6", **more}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack of two workers for the tests that do not end it."""
    directory = tmp_path_factory.mktemp("stack") / "data"
    with running_stack(directory, "--workers", "2", "--slots", "3", variables=variables(MODEL_KEY=SECRET)) as stack:
        yield stack


def make_job(http: httpx.Client, task: dict[str, str] | Any = TASK, *, runs: int = 2) -> str:
    """Asks for runs of a task; the job's id."""
    bundle = http.post("/v1/bundles", content=zipped(task), headers={"Content-Type": "application/zip"}).json()["id"]
    job = http.post("/v1/jobs", json={"bundle": bundle, "agent": {"name": "oracle"}, "runs": runs})
    assert job.status_code == 201, job.text
    job_id: str = job.json()["id"]
    return job_id


def until_counted(http: httpx.Client, job_id: str, state: str, number: int) -> None:
    until(lambda: http.get(f"/v1/jobs/{job_id}").json()["counts"][state] == number, f"{number} runs are {state}")


def up(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "up", "--environment", "sandbox", *options], capture_output=True, text=True, timeout=60, check=False
    )


def until_replaced(find: Callable[[], int | None], former: int) -> None:
    until(lambda: find() not in (None, former), "it was started again")


def test_clients_are_told_how_to_reach_it_in_a_file_for_their_account_only(stack: RunningStack) -> None:
    shared = str(stack.directory / "shared")
    assert stack.known() == {"url": stack.url, "api_key": stack.key, "pid": stack.process.pid, "shared": shared}
    assert stat.S_IMODE((stack.directory / "connection.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.directory.stat().st_mode) == 0o700


def test_workers_are_named_and_take_work_when_it_is_ready(stack: RunningStack) -> None:
    with stack.http() as http:
        workers = http.get("/v1/workers").json()["items"]
    assert [worker["name"].rpartition("-")[0] for worker in workers] == ["worker-1", "worker-2"]
    assert {(worker["state"], worker["slots"], worker["environment"]) for worker in workers} == {
        ("accepting", 3, "sandbox")
    }


def test_a_second_stack_on_the_same_data_is_refused_with_the_pid_of_the_first(stack: RunningStack) -> None:
    refused = up("--port", "0", "--data-dir", str(stack.directory))
    assert refused.returncode == 2
    assert f"a stack already runs on {stack.directory} (pid {stack.process.pid})" in refused.stderr
    assert stack.known()["pid"] == stack.process.pid


def test_a_port_that_is_taken_is_named(stack: RunningStack, tmp_path: Path) -> None:
    refused = up("--port", stack.url.rpartition(":")[2], "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "flotilla: port" in refused.stderr
    assert "Address already in use" in refused.stderr
    assert "--port" in refused.stderr
    assert left_on_host(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--data-dir", "/dev/null/data"], "the data directory /dev/null/data cannot be used"),
        (["--secrets-file", "/nothing/here"], "the secrets file /nothing/here is not there"),
        (["--environment", "docker"], "no Docker engine answers at unix:///nothing/docker.sock"),
    ],
)
def test_what_hinders_a_start_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], fault: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nothing/docker.sock")
    refused = up("--port", "0", "--data-dir", str(tmp_path / "data"), *options)
    assert refused.returncode == 2
    assert fault in refused.stderr
    assert "Traceback" not in refused.stderr
    assert left_on_host(tmp_path / "data") == []


def test_only_workers_see_the_variables_among_which_secrets_are(stack: RunningStack) -> None:
    for word, sees in [("flotilla.local.sqs", False), ("flotilla.local.server", False), ("worker_agent", True)]:
        pid = stack.part(word)
        assert (SECRET in Path(f"/proc/{pid}/environ").read_text()) is sees


def test_a_killed_worker_comes_back_under_its_name_and_its_runs_end(stack: RunningStack) -> None:
    with stack.http() as http:
        name = http.get("/v1/workers").json()["items"][0]["name"]
        former = stack.part(name)
        assert former is not None
        job_id = make_job(http, runs=6)
        os.kill(former, signal.SIGKILL)
        until_counted(http, job_id, "graded", 6)
        until_replaced(lambda: stack.part(name), former)
        until(lambda: len(http.get("/v1/workers").json()["items"]) == 2, "it is back")


def test_a_queue_that_lost_its_messages_gets_them_anew(stack: RunningStack) -> None:
    former = stack.part("flotilla.local.sqs")
    assert former is not None
    with stack.http() as http:
        os.kill(former, signal.SIGSTOP)  # nobody can receive, so that the messages are lost with it
        job_id = make_job(http, runs=9)
        os.kill(former, signal.SIGKILL)
        until_counted(http, job_id, "graded", 9)
    until_replaced(lambda: stack.part("flotilla.local.sqs"), former)


def test_a_killed_server_is_back_before_its_clients_notice(stack: RunningStack) -> None:
    former = stack.part("flotilla.local.server")
    assert former is not None
    os.kill(former, signal.SIGKILL)
    until(lambda: stack.part("flotilla.local.server") != former, "the server has died")
    with stack.http() as http:
        assert http.get("/healthz").json()["status"] == "ok"
        until_counted(http, make_job(http), "graded", 2)


def test_a_killed_database_is_started_again_with_all_that_was_in_it(stack: RunningStack) -> None:
    former = stack.part("pginstall")
    assert former is not None
    with stack.http() as http:
        job_id = make_job(http)
        until_counted(http, job_id, "graded", 2)
        os.kill(former, signal.SIGKILL)
        until_replaced(lambda: stack.part("pginstall"), former)
        until(lambda: http.get(f"/v1/jobs/{job_id}").is_success, "it answers again")
        until_counted(http, make_job(http), "graded", 2)


def test_ctrl_c_in_the_middle_of_trials_leaves_nothing_and_a_second_one_is_harmless(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", "--slots", "4", variables=variables()) as stack:
        with stack.http() as http:
            until_counted(http, make_job(http, SLEEPER), "running", 2)
        stack.process.send_signal(signal.SIGINT)
        assert stack.end(signal.SIGINT) == 0
        assert left_on_host(tmp_path / "data") == []
        assert not (tmp_path / "data" / "connection.json").exists()


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_goes_on_where_it_was(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", "--slots", "2", variables=variables()) as stack:
        with stack.http() as http:
            job_id = make_job(http, SLOW, runs=3)
            until(lambda: http.get(f"/v1/jobs/{job_id}").json()["counts"]["running"] > 0, "a run has begun")
        stack.process.kill()
        until_nothing_is_left(tmp_path / "data")
        former = stack.key
    with running_stack(tmp_path / "data", "--slots", "2", variables=variables()) as stack, stack.http() as http:
        until_counted(http, job_id, "graded", 3)
        http.headers["Authorization"] = f"Bearer {former}"
        assert http.get("/v1/jobs").status_code == 401


def test_a_killed_supervisor_leaves_no_container_and_the_next_clears_the_rest(
    docker_engine: str, tmp_path: Path
) -> None:
    given = variables(DOCKER_HOST=docker_engine)

    def left(kind: str) -> list[str]:
        return [found for found in asyncio.run(left_on_engine(docker_engine, [name])) if kind in found]

    with running_stack(tmp_path / "data", variables=given, environment="docker") as stack:
        with stack.http() as http:
            name = http.get("/v1/workers").json()["items"][0]["name"]
            job_id = make_job(http, SLEEPER)
            until(lambda: len(left("container")) == 2, "two containers run")
        stack.process.kill()
        until(lambda: left("container") == [], "no container is left")
        until_nothing_is_left(tmp_path / "data")
        assert left("network") != []
    down = [*COMMAND, "down", "--data-dir", str(tmp_path / "data")]
    cleared = subprocess.run(down, capture_output=True, text=True, timeout=60, check=True)
    assert "removed what a killed one left: network" in cleared.stderr
    assert left("") == []
    with running_stack(tmp_path / "data", variables=given, environment="docker") as stack, stack.http() as http:
        http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert left("") == []


def test_a_detached_stack_goes_on_by_itself_until_it_is_told_to_stop(tmp_path: Path) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    started = up("--detach", "--port", "0", *data)
    assert started.returncode == 0, started.stderr
    known = dict(line.split("=", 1) for line in started.stdout.splitlines())
    assert known.keys() == {"FLOTILLA_URL", "FLOTILLA_API_KEY"}
    assert [line.split()[0] for line in started.stderr.splitlines()] == ["trials", "ready;"]
    assert httpx.get(f"{known['FLOTILLA_URL']}/healthz").is_success
    for said in ("stopped the stack", "no stack runs"):
        stopped = subprocess.run([*COMMAND, "down", *data], capture_output=True, text=True, timeout=60, check=True)
        assert said in stopped.stderr
    assert left_on_host(tmp_path / "data") == []


def test_a_detached_stack_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = up("--detach", "--port", port, "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "flotilla: port" in refused.stderr
    assert "Address already in use" in refused.stderr
