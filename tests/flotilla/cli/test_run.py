"""`flotilla run`: what goes up, what is asked for, what comes back."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy

from flotilla.causes import Cause
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from tests.api.bundle import tarred, zipped
from tests.api.fleet import Fleet
from tests.api.waiting import until
from tests.flotilla.cli.conftest import Call

SECONDS = 20


def run_ids(engine: sqlalchemy.Engine) -> list[str]:
    with engine.begin() as connection:
        return list(connection.execute(sqlalchemy.text("SELECT id FROM runs ORDER BY number")).scalars())


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Does the work in a thread meanwhile."""
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(SECONDS)
    assert not thread.is_alive()


@pytest.mark.usefixtures("server")
def test_a_directory_becomes_a_job_with_everything_that_was_asked_for(call: Call, task: Path) -> None:
    asked = ["-p", str(task), "-a", "terminus-2", "-m", "openai/gpt-x", "-k", "3"]
    options = ["--ak", "parser=xml", "--ak", "turns=5", "--ak", "careful=True", "--ak", 'tools=["a"]']
    more = ["--experiment", "tries", "--priority", "high", "--max-trials", "2", "--secret", "MY_KEY"]
    called = call("run", *asked, *options, *more, "--json")
    assert called.code == 0, called.err
    job = json.loads(called.out)
    kwargs = {"parser": "xml", "turns": 5, "careful": True, "tools": ["a"]}
    assert job["agent"] == {"name": "terminus-2", "model": "openai/gpt-x", "kwargs": kwargs}
    assert (job["runs"], job["experiment"], job["priority"]) == (3, "tries", "high")
    assert (job["max_trials"], job["secrets"], job["bundle"]["task_name"]) == (2, ["MY_KEY"], "acme/sum")


@pytest.mark.usefixtures("server")
def test_without_json_a_job_is_one_line_with_its_id(call: Call, task: Path) -> None:
    called = call("run", "-p", str(task), "-a", "oracle")
    assert called.code == 0
    assert called.out.startswith("job_")
    assert len(called.out.splitlines()) == 1


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("name", "pack"), [("sum.zip", zipped), ("sum.tar.gz", tarred), ("sum.tgz", tarred)])
def test_an_archive_goes_up_as_it_is(call: Call, tmp_path: Path, name: str, pack: Callable[[], bytes]) -> None:
    (tmp_path / name).write_bytes(pack())
    assert call("run", "-p", str(tmp_path / name), "-a", "oracle").code == 0


@pytest.mark.usefixtures("server")
def test_waiting_ends_with_a_table_of_all_runs_and_a_summary(
    call: Call, task: Path, engine: sqlalchemy.Engine, fleet: Fleet
) -> None:
    def work() -> None:
        until(lambda: len(run_ids(engine)) == 2, "two runs")
        good, bad = run_ids(engine)
        fleet.grade(fleet.start(good), 0.5)
        fleet.end(fleet.start(bad), Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER))

    with beside(work):
        called = call("run", "-p", str(task), "-a", "oracle", "-k", "2", "--wait")
    assert called.code == 0, called.err
    lines = called.out.splitlines()
    assert lines[1].split() == ["run", "state", "reward", "seconds", "cause", "trial", "directory"]
    assert lines[2].split()[:3] == ["1", "graded", "0.5"]
    assert "/job_run_1/task__" in lines[2]
    assert "errored" in lines[3]
    assert "verifier" in lines[3]
    assert lines[-1].endswith("is done: 1 graded, 1 errored of 2 runs; mean reward 0.5")
    assert "2/2 ended: 1 graded, 1 errored, mean reward 0.5" in called.err


@pytest.mark.usefixtures("server")
def test_with_json_standard_output_is_one_document_even_while_waiting(
    call: Call, task: Path, engine: sqlalchemy.Engine, fleet: Fleet
) -> None:
    def work() -> None:
        until(lambda: bool(run_ids(engine)), "a run")
        fleet.grade(fleet.start(run_ids(engine)[0]))

    with beside(work):
        called = call("run", "-p", str(task), "-a", "oracle", "--wait", "--json")
    document = json.loads(called.out)
    assert (document["state"], document["mean_reward"]) == ("done", 1.0)
    assert [run["reward"] for run in document["items"]] == [1.0]


@pytest.mark.usefixtures("server")
def test_a_job_that_is_cancelled_while_it_is_waited_for_is_a_failure(
    call: Call, task: Path, server: str, engine: sqlalchemy.Engine
) -> None:
    def cancel() -> None:
        until(lambda: bool(run_ids(engine)), "a run")
        job_id = httpx.get(f"{server}/v1/jobs", headers=headers).json()["items"][0]["id"]
        httpx.post(f"{server}/v1/jobs/{job_id}/cancel", headers=headers).raise_for_status()

    headers = {"Authorization": f"Bearer {os.environ['FLOTILLA_API_KEY']}"}
    with beside(cancel):
        called = call("run", "-p", str(task), "-a", "oracle", "--wait")
    assert called.code == 1
    assert "was cancelled" in called.err


@pytest.mark.usefixtures("server")
def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(task: Path, engine: sqlalchemy.Engine) -> None:
    command = [sys.executable, "-m", "flotilla.cli.main", "run", "-p", str(task), "-a", "oracle", "--wait"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    job_id = process.stdout.readline().strip()
    process.stderr.readline()  # the first line of progress: it waits
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert f"flotilla job show {job_id} --wait" in said
    assert f"flotilla job cancel {job_id}" in said
    with engine.begin() as connection:
        states = connection.execute(sqlalchemy.text("SELECT state FROM jobs")).scalars().all()
    assert states == ["running"]


def test_what_the_server_would_refuse_is_refused_before_anything_goes_up(
    call: Call, task: Path, server: str, engine: sqlalchemy.Engine
) -> None:
    (task / "tests" / "test.sh").unlink()
    (task / "tests").rmdir()
    called = call("run", "-p", str(task), "-a", "oracle")
    (task.parent / "sum.zip").write_bytes(zipped({"task.toml": '[task]\nname = "acme/sum"\n'}))
    refused = call("run", "-p", str(task.parent / "sum.zip"), "-a", "oracle")
    assert (called.code, refused.code) == (2, 2)
    assert "/tests" in called.err
    assert set(called.err.splitlines()) <= set(refused.err.splitlines())
    assert run_ids(engine) == []


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["-a", "orakle"], "/agent/name: Harbor has no agent 'orakle' Did you mean 'oracle'?"),
        (["-a", "oracle", "--ak", "parser"], "--ak 'parser' is no option: write it as KEY=VALUE"),
        (["-a", "oracle", "-k", "501"], "/runs: a job may have 500 runs"),
        (["-a", "oracle", "-k", "0"], "should be greater than or equal to 1"),
        (["-a", "oracle", "--priority", "urgent"], "urgent"),
    ],
)
def test_a_wrong_order_is_a_usage_error_that_names_the_fault(
    call: Call, task: Path, words: list[str], fault: str
) -> None:
    called = call("run", "-p", str(task), *words)
    assert called.code == 2
    assert fault in " ".join(called.err.replace("│", " ").split())  # the frame of a usage error wraps its lines
    assert "Traceback" not in called.err


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("name", "fault"), [("nothing", "is not there"), ("sum.rar", "neither a directory nor")])
def test_a_path_that_is_no_task_is_a_usage_error(call: Call, tmp_path: Path, name: str, fault: str) -> None:
    (tmp_path / "sum.rar").write_bytes(b"")
    called = call("run", "-p", str(tmp_path / name), "-a", "oracle")
    assert called.code == 2
    assert fault in called.err


@pytest.mark.usefixtures("server")
def test_a_wrong_key_has_its_own_exit_code(call: Call, task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOTILLA_API_KEY", "fl_wrong")
    called = call("run", "-p", str(task), "-a", "oracle")
    assert called.code == 4
    assert "key" in called.err


def test_a_server_that_is_away_has_its_own_exit_code(call: Call, task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOTILLA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FLOTILLA_API_KEY", "fl_any")
    called = call("run", "-p", str(task), "-a", "oracle")
    assert called.code == 3
    assert "no server answers at http://127.0.0.1:9" in called.err
    assert "flotilla up" in called.err
