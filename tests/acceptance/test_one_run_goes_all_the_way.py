"""From an upload to a result on the shared file system, with real Harbor."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.acceptance.asking import Asking
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import until

# Example → state, reward and exception, which the description in its task.toml says in words.
ENDS = {
    "broken-verifier": ("errored", None, "RewardFileNotFoundError"),
    "hello": ("graded", 1.0, None),
    "multi-step": ("graded", 0.75, None),
    "out-of-time": ("graded", 0.0, "AgentTimeoutError"),
    "partial-credit": ("graded", 0.6, None),
}
LOGS = {"trial": "trial.log", "agent": "agent/oracle.txt", "verifier": "verifier/test-stdout.txt"}
CAUSES = {"broken-verifier": "verifier", "out-of-time": "agent_budget"}


@contextmanager
def harbor_view(directory: Path) -> Iterator[httpx.Client]:
    """Harbor's own viewer on a job's directory, and a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    harbor = Path(sys.executable).with_name("harbor")
    words = ["view", "--jobs", "--no-build", "--port", port, str(directory)]
    with (
        subprocess.Popen([harbor, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        try:
            until(lambda: answers(client), "the viewer answers")
            yield client
        finally:
            process.terminate()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/health").is_success
    except httpx.TransportError:
        return False


def files_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_every_example_ends_as_it_promises(anywhere: Asking, examples: Path) -> None:
    jobs = {name: anywhere.submit(examples / name) for name in ENDS}
    for name, job_id in jobs.items():
        (run,) = anywhere.ended(job_id)
        (trial,) = run["trials"]
        assert (run["state"], run["reward"], trial["exception"]) == ENDS[name], run["log_tail"]
        assert run["cause"] == trial["cause"] == CAUSES.get(name)


def test_a_task_with_a_sidecar_runs_in_docker(containers: Asking, examples: Path) -> None:
    (run,) = containers.ended(containers.submit(examples / "sidecar"))
    assert (run["state"], run["reward"]) == ("graded", 1.0), run["log_tail"]


def test_a_task_with_a_sidecar_ends_without_an_engine_and_says_why(sandboxes: Asking, examples: Path) -> None:
    (run,) = sandboxes.ended(sandboxes.submit(examples / "sidecar"))
    assert (run["state"], run["cause"]) == ("errored", "task_environment")
    assert "Docker" in run["message"]


def test_a_task_that_cannot_be_built_ends_with_the_end_of_its_log_and_the_others_go_on(containers: Asking) -> None:
    broken = {"environment/Dockerfile": "FROM debian:bookworm-slim\nRUN echo no such luck; exit 3\n"}
    failing, good = containers.submit({**TASK, **broken}), containers.submit(TASK)
    (run,) = containers.ended(failing)
    assert (run["state"], run["cause"]) == ("errored", "task_environment")
    assert "no such luck" in run["message"] + (run["log_tail"] or "")
    assert [run["state"] for run in containers.ended(good)] == ["graded"]


def test_the_files_lie_exactly_where_the_layout_says(anywhere: Asking, examples: Path) -> None:
    job_id = anywhere.submit(examples / "hello", runs=2)
    runs = anywhere.ended(job_id)
    directory = anywhere.shared / "jobs" / job_id
    until((directory / "task").is_dir, "the task is laid out")
    assert {path.name for path in directory.iterdir()} == {"task", "bundle.zip", "job_run_1", "job_run_2"}
    assert files_below(directory / "task") == files_below(examples / "hello")
    for run in runs:
        (trial,) = run["trials"]
        place = directory / f"job_run_{run['number']}" / trial["name"]
        assert anywhere.shared / trial["path"] == place
        assert [path.name for path in place.parent.iterdir()] == [trial["name"]]
        assert trial["name"].startswith("task__")
        present = {"trial.log", "agent", "verifier", "artifacts", "config.json", "result.json"}
        assert present <= {path.name for path in place.iterdir()}


def test_result_and_logs_over_http_are_the_files(anywhere: Asking, examples: Path) -> None:
    (run,) = anywhere.ended(anywhere.submit(examples / "hello"))
    place = anywhere.shared / run["trials"][0]["path"]
    result = anywhere.http.get(f"/v1/runs/{run['id']}/result")
    assert result.json() == json.loads((place / "result.json").read_text())
    for stream, file in LOGS.items():
        log = anywhere.http.get(f"/v1/runs/{run['id']}/logs", params={"stream": stream})
        assert log.content == (place / file).read_bytes()
        assert log.headers["X-Complete"] == "true"


def test_every_run_opens_in_harbor_view_with_its_trial(sandboxes: Asking, examples: Path) -> None:
    job_id = sandboxes.submit(examples / "hello", runs=2)
    runs = sandboxes.ended(job_id)
    with harbor_view(sandboxes.shared / "jobs" / job_id) as viewer:
        for run in runs:
            trials = viewer.get(f"/api/jobs/job_run_{run['number']}/trials").json()["items"]
            shown = [(trial["name"], trial["task_name"], trial["reward"]) for trial in trials]
            assert shown == [(run["trials"][0]["name"], "flotilla/hello", 1.0)]
