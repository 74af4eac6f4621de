"""`make demo`: ten runs, a table, a summary, and nothing left."""

import os
import subprocess
import sys

DEMO = [sys.executable, "-m", "flotilla.local.demo"]


def demonstrate(**variables: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **variables}
    return subprocess.run(DEMO, capture_output=True, text=True, env=given, timeout=200, check=False)


def check_ten_runs(shown: str) -> None:
    lines = shown.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("run "))
    assert lines[header].split() == ["run", "state", "reward", "seconds", "cause", "trial", "directory"]
    runs = [line.split() for line in lines[header + 1 : header + 11]]
    assert [run[:3] for run in runs] == [[str(number), "graded", "1"] for number in range(1, 11)]
    below = lines[header + 11 :]
    warned = "contended" in below[0]  # by a machine that has much else to do
    assert "is done: 10 graded of 10 runs; mean reward 1" in below[1 if warned else 0]
    assert "stopped: no process, container, network or mount is left" in lines[-1]


def test_without_an_engine_the_demo_runs_in_sandboxes_and_says_so() -> None:
    done = demonstrate(DOCKER_HOST="unix:///nothing/docker.sock")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no Docker engine answers at unix:///nothing/docker.sock" in done.stderr
    assert "sandbox" in done.stderr
    check_ten_runs(done.stdout)


def test_with_an_engine_the_demo_runs_in_containers_and_says_so(docker_engine: str) -> None:
    done = demonstrate(DOCKER_HOST=docker_engine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trials run in Docker containers: Docker engine" in done.stderr
    check_ten_runs(done.stdout)
