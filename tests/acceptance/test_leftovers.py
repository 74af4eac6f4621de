"""A trial's process that is killed while its worker goes on leaves nothing, and its run is tried again."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.asking import Asking
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import until
from worker_agent.docker.engine import Engine

SLEEPER = {**TASK, "solution/solve.sh": "#!/bin/sh\necho begun\nsleep 120\n"}
BUILT_BY_VARIABLES = """
services:
  main: {build: {context: ., args: {X: '${NOT_SET:-x}'}}}
  side: {build: ./side, command: sleep infinity, init: true, volumes: ["data:/data"]}
volumes: {data: {}}
"""
COMPOSED = {
    **SLEEPER,
    "environment/docker-compose.yaml": BUILT_BY_VARIABLES,
    "environment/side/Dockerfile": "FROM debian:bookworm-slim\nENV SIDE=1\n",
}


def trials(asking: Asking, job_id: str) -> list[dict[str, Any]]:
    """Those of the job's only run."""
    run = asking.http.get(f"/v1/jobs/{job_id}/runs").json()["items"][0]
    found: list[dict[str, Any]] = asking.http.get(f"/v1/runs/{run['id']}").json()["trials"]
    return found


def trial_process(asking: Asking, name: str) -> int | None:
    """The process of a trial: the child of a nursery that writes to its log."""
    mark = f"{asking.stack.directory}/workers/"
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            output = (entry / "fd/1").readlink()
        except OSError:  # it ended since we looked
            continue
        if str(output).startswith(mark) and str(output).endswith(f"/trials/{name}/process.log"):
            return int(entry.name)
    return None


def left_on_engine(host: str, name: str) -> list[str]:
    """Everything that carries the trial's label."""

    async def find() -> list[str]:
        engine = Engine(host)
        query = {"filters": json.dumps({"label": [f"flotilla.trial={name}"]})}
        containers = await engine.json("GET", "/containers/json", query={"all": 1, **query})
        networks = await engine.json("GET", "/networks", query=query)
        volumes = (await engine.json("GET", "/volumes", query=query))["Volumes"] or []
        images = await engine.json("GET", "/images/json", query=query)
        kinds = {"container": containers, "network": networks, "volume": volumes, "image": images}
        return [kind for kind, found in kinds.items() for _ in found]

    return asyncio.run(find())


def scratch_of(asking: Asking, name: str) -> list[Path]:
    return list((asking.stack.directory / "workers").glob(f"*/trials/{name}"))


def kill_its_first_trial(asking: Asking, task: Mapping[str, str]) -> tuple[str, str]:
    """Submits one run and kills its trial's process once the solution runs; the job's id and the trial's name."""
    job_id = asking.submit(task)
    until(lambda: trials(asking, job_id) != [], "it has begun")
    name: str = trials(asking, job_id)[0]["name"]
    shared = asking.shared / f"jobs/{job_id}/job_run_1/{name}/agent/oracle.txt"
    until(lambda: trial_process(asking, name) is not None, "its process runs")
    until(lambda: shared.is_file() and "begun" in shared.read_text(), f"the agent of {name} runs")
    pid = trial_process(asking, name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return job_id, name


def until_it_ended_for_the_harness(asking: Asking, job_id: str) -> None:
    def has_ended() -> bool:
        killed = trials(asking, job_id)[0]
        return (killed["state"], killed["cause"]) == ("errored", "harness")

    until(has_ended, "the killed trial ended, and nobody but us is blamed")


def test_in_a_sandbox_its_processes_and_its_scratch_are_gone_and_the_run_waits_for_another(sandboxes: Asking) -> None:
    job_id, name = kill_its_first_trial(sandboxes, SLEEPER)
    until_it_ended_for_the_harness(sandboxes, job_id)
    until(lambda: scratch_of(sandboxes, name) == [], "its scratch is gone")
    assert name not in Path("/proc/self/mountinfo").read_text()
    run = sandboxes.http.get(f"/v1/jobs/{job_id}/runs").json()["items"][0]
    assert run["state"] in ("pending", "queued", "running")
    sandboxes.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()


@pytest.mark.parametrize("task", [SLEEPER, COMPOSED], ids=["one container", "a Compose project with images of its own"])
def test_in_docker_all_that_carries_its_label_is_gone(
    containers: Asking, docker_engine: str, task: Mapping[str, str]
) -> None:
    job_id, name = kill_its_first_trial(containers, task)
    until_it_ended_for_the_harness(containers, job_id)
    containers.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    until(lambda: left_on_engine(docker_engine, name) == [], "nothing of it is left")
    until(lambda: scratch_of(containers, name) == [], "its scratch is gone")
