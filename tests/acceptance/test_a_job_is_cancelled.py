"""Cancelling a job: what waits ends at once, what runs is stopped and gone, and twice is no error."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flotilla.local.leftovers import left_on_host
from tests.acceptance.asking import Asking
from tests.acceptance.conftest import RENEWAL_SECONDS
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import until
from worker_agent.docker.engine import Engine
from worker_agent.environments import LABEL

RUNS = 14  # more than any stack here has slots
STOP_SECONDS = 10.0  # what Harbor may take to end its trials, all at once, on a small machine
UNENDING = {**TASK, "solution/solve.sh": "#!/bin/sh\necho begun\nsleep 600\n"}
SLOW_TO_BUILD = {**TASK, "environment/Dockerfile": "FROM debian:bookworm-slim\nRUN echo building; sleep 611\n"}
BRIEF = {**TASK, "solution/solve.sh": "#!/bin/sh\nsleep 0.2\n"}


def cancel(asking: Asking, job_id: str) -> dict[str, Any]:
    answer = asking.http.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.status_code == 200
    job: dict[str, Any] = answer.json()
    return job


def left_of(asking: Asking, trials: Iterable[dict[str, Any]]) -> list[str]:
    """Processes, mounts and containers of these trials."""
    names = [trial["name"] for trial in trials]
    found = [thing for name in names for thing in left_on_host(Path(name))]
    if asking.engine is not None:
        found += [name for name in names if asyncio.run(_containers(asking.engine, name))]
    return found


async def _containers(engine: str, trial: str) -> list[Any]:
    query = {"all": 1, "filters": json.dumps({"label": [f"{LABEL}.trial={trial}"]})}
    return list(await Engine(engine).json("GET", "/containers/json", query=query))


def trials_of(runs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [trial for run in runs for trial in run["trials"]]


def agent_log(asking: Asking, run_id: str) -> str:
    return asking.http.get(f"/v1/runs/{run_id}/logs?stream=agent").text


def test_running_trials_are_stopped_and_gone_and_waiting_runs_never_start(anywhere: Asking) -> None:
    job_id = anywhere.submit(UNENDING, runs=RUNS)
    until(lambda: anywhere.job(job_id)["counts"]["running"] >= 5, "some runs are running")
    first = anywhere.runs(job_id)[0]["id"]
    until(lambda: agent_log(anywhere, first) == "begun\n", "the first agent is at work")
    began = time.monotonic()
    for _ in range(2):
        job = cancel(anywhere, job_id)
        assert job["cancel_requested"]
        assert job["counts"]["pending"] == job["counts"]["queued"] == 0, "what waited has ended at once"
    runs = anywhere.ended(job_id)
    assert time.monotonic() - began < RENEWAL_SECONDS + STOP_SECONDS
    assert {(run["state"], run["cause"], run["reward"]) for run in runs} == {("cancelled", "cancelled", None)}
    assert anywhere.job(job_id)["state"] == "cancelled"
    assert anywhere.job(job_id)["counts"]["cancelled"] == RUNS
    begun = trials_of(runs)
    assert {(trial["state"], trial["cause"]) for trial in begun} == {("cancelled", "cancelled")}
    assert all(trial["finished_at"] for trial in begun)
    assert 5 <= len(begun) < RUNS
    until(lambda: left_of(anywhere, begun) == [], "nothing is left of its trials")
    assert all((anywhere.shared / trial["path"]).is_dir() for trial in begun), "the evidence stays"
    assert agent_log(anywhere, first) == "begun\n"
    assert cancel(anywhere, job_id)["counts"]["cancelled"] == RUNS
    until(lambda: anywhere.messages() == 0, "the messages of what never started have left the queue")


def test_a_trial_that_is_still_set_up_is_stopped_as_fast(anywhere: Asking) -> None:
    job_id = anywhere.submit(SLOW_TO_BUILD, runs=2)
    until(lambda: anywhere.job(job_id)["counts"]["running"] == 2, "both have a worker")
    until(lambda: has_begun_to_build(anywhere, job_id), "an image or a file system is built")
    began = time.monotonic()
    cancel(anywhere, job_id)
    runs = anywhere.ended(job_id)
    assert time.monotonic() - began < RENEWAL_SECONDS + STOP_SECONDS
    assert {run["state"] for run in runs} == {"cancelled"}
    until(lambda: left_of(anywhere, trials_of(runs)) == [], "nothing is left of its trials")
    until(lambda: not is_building(), "the build has ended as well")


def test_a_bundle_that_the_file_system_does_not_give_holds_up_no_cancel(sandboxes: Asking) -> None:
    busy = sandboxes.submit(UNENDING, runs=10)
    until(lambda: sandboxes.job(busy)["counts"]["running"] == 10, "every slot is taken")
    unseen = {**TASK, "instruction.md": "No worker has this bundle yet.\n"}
    job_id = sandboxes.submit(unseen)
    with silent(sandboxes.shared / "jobs" / job_id / "bundle.zip"):
        cancel(sandboxes, busy)
        until(lambda: sandboxes.job(job_id)["counts"]["running"] == 1, "a worker reads its bundle")
        began = time.monotonic()
        cancel(sandboxes, job_id)
        (run,) = sandboxes.ended(job_id)
        assert time.monotonic() - began < RENEWAL_SECONDS + STOP_SECONDS
    assert (run["state"], [trial["state"] for trial in run["trials"]]) == ("cancelled", ["cancelled"])
    (again,) = sandboxes.ended(sandboxes.submit(unseen))
    assert again["state"] == "graded"


@contextmanager
def silent(file: Path) -> Iterator[None]:
    """Whoever opens the file waits until the block is over, as on a file system that does not answer."""
    kept = file.with_name("kept")
    file.rename(kept)
    os.mkfifo(file)
    try:
        yield
    finally:
        with suppress(OSError):  # nobody waits
            os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        kept.rename(file)


def has_begun_to_build(asking: Asking, job_id: str) -> bool:
    """Whether the step of SLOW_TO_BUILD that does not end has begun for one of its runs; others may wait for that."""
    logs = (asking.http.get(f"/v1/runs/{run['id']}/logs?stream=trial").text for run in asking.runs(job_id))
    return is_building() or any("sleep 611" in log for log in logs)


def is_building() -> bool:
    """Whether that step is under way, in a sandbox or for an engine on this machine."""
    return any(b"sleep\x00611" in _read(entry / "cmdline") for entry in Path("/proc").glob("[0-9]*"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended since we looked
        return b""


def test_what_a_killed_worker_ran_is_cancelled_when_it_is_taken_back(sandboxes: Asking) -> None:
    job_id = sandboxes.submit(UNENDING, runs=10)
    until(lambda: sandboxes.job(job_id)["counts"]["running"] == 10, "both workers are busy")
    for worker in sandboxes.http.get("/v1/workers").json()["items"]:
        victim = sandboxes.stack.part(worker["name"])
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
    cancel(sandboxes, job_id)
    runs = sandboxes.ended(job_id)
    assert {(run["state"], run["cause"]) for run in runs} == {("cancelled", "cancelled")}
    assert {(trial["state"], trial["cause"]) for trial in trials_of(runs)} <= {
        ("lost", "host_lost"),
        ("cancelled", "cancelled"),
    }
    until(lambda: left_of(sandboxes, trials_of(runs)) == [], "nothing is left of its trials")


def test_a_cancel_outlives_the_database(sandboxes: Asking) -> None:
    job_id = sandboxes.submit(UNENDING, runs=4)
    until(lambda: sandboxes.job(job_id)["counts"]["running"] == 4, "all are running")
    database = sandboxes.stack.part("pginstall")
    assert database is not None
    cancel(sandboxes, job_id)
    os.kill(database, signal.SIGKILL)
    until(lambda: sandboxes.stack.part("pginstall") not in (None, database), "it was started again")
    until(lambda: sandboxes.http.get(f"/v1/jobs/{job_id}").is_success, "it answers again")
    assert {run["state"] for run in sandboxes.ended(job_id)} == {"cancelled"}


def test_a_cancel_that_meets_the_finish_has_one_winner_in_every_run(sandboxes: Asking) -> None:
    jobs = [sandboxes.submit(BRIEF, runs=3) for _ in range(8)]
    chance = random.Random(1)  # noqa: S311 - hides nothing

    def cancel_at_random(job_id: str) -> None:
        seen = chance.choice(["running", "graded"])  # then it is not far from the finish of some run
        until(lambda: sandboxes.job(job_id)["counts"][seen] > 0 or is_over(sandboxes, job_id), f"{job_id} is under way")
        time.sleep(chance.uniform(0, 0.6))
        cancel(sandboxes, job_id)

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(cancel_at_random, jobs))
    ends: Counter[str] = Counter()
    for job_id in jobs:
        runs = sandboxes.ended(job_id)
        ends.update(run["state"] for run in runs)
        check_every_run_ended_once(sandboxes, job_id, runs)
    assert ends.keys() == {"graded", "cancelled"}, "both won some of the time"


def is_over(asking: Asking, job_id: str) -> bool:
    return bool(asking.job(job_id)["state"] != "running")


def check_every_run_ended_once(asking: Asking, job_id: str, runs: list[dict[str, Any]]) -> None:
    states = Counter(run["state"] for run in runs)
    job = asking.job(job_id)
    assert states.keys() <= {"graded", "cancelled"}
    assert {state: number for state, number in job["counts"].items() if number} == states
    assert job["state"] == ("cancelled" if states["cancelled"] else "done")
    for run in runs:
        endings = [trial["state"] for trial in run["trials"]]
        result = asking.http.get(f"/v1/runs/{run['id']}/result")
        if run["state"] == "graded":
            assert (endings, run["reward"], run["cause"]) == (["graded"], 1.0, None)
            assert (asking.shared / run["trials"][0]["path"] / "result.json").is_file()
            assert result.json()["verifier_result"]["rewards"] == {"reward": 1.0}
        else:
            assert (run["reward"], run["cause"]) == (None, "cancelled")
            assert endings in ([], ["cancelled"])
