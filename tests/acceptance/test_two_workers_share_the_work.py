"""Two workers on one queue: every run ends exactly once, whoever dies."""

import os
import signal
from collections import Counter
from typing import Any

from tests.acceptance.asking import Asking
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import until

RUNS = 40
UNHURRIED = {**TASK, "solution/solve.sh": "#!/bin/sh\nsleep 0.5\n"}


def workers_of(runs: list[dict[str, Any]]) -> Counter[str]:
    return Counter(trial["worker"] for run in runs for trial in run["trials"])


def test_forty_runs_are_spread_over_both_workers_each_exactly_once(sandboxes: Asking) -> None:
    runs = sandboxes.ended(sandboxes.submit(UNHURRIED, runs=RUNS))
    assert [run["state"] for run in runs] == ["graded"] * RUNS
    assert [len(run["trials"]) for run in runs] == [1] * RUNS
    assert len(workers_of(runs)) == 2
    assert min(workers_of(runs).values()) >= RUNS // 4


def test_a_worker_killed_in_the_middle_costs_no_run(sandboxes: Asking) -> None:
    name = sandboxes.http.get("/v1/workers").json()["items"][0]["name"]
    victim = sandboxes.stack.part(name)
    assert victim is not None
    job_id = sandboxes.submit(UNHURRIED, runs=RUNS)
    until(lambda: sandboxes.job(job_id)["counts"]["graded"] >= 5, "some runs have ended")
    os.kill(victim, signal.SIGKILL)
    runs = sandboxes.ended(job_id)
    assert [run["state"] for run in runs] == ["graded"] * RUNS
    again = [run for run in runs if len(run["trials"]) > 1]
    assert again, "it was killed in the middle of trials"
    assert {(run["trials"][0]["state"], run["trials"][0]["cause"]) for run in again} == {("lost", "host_lost")}
    assert {run["trials"][-1]["state"] for run in again} == {"graded"}
    for trial in (trial for run in runs for trial in run["trials"]):
        assert trial["state"] == "lost" or (sandboxes.shared / trial["path"] / "result.json").is_file()
