"""A worker that is stopped for longer than its lease, with all its processes, and wakes up when another has its run."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import until
from tests.worker_agent import process_tree
from tests.worker_agent.victims import Victims, with_victims
from tests.worker_agent.workplace import Workplace

# Whoever was stopped in one of its pauses has the others before it: it learns what it lost before it is done.
UNHURRIED: Mapping[str, str] = {
    **TASK,
    "solution/solve.sh": "#!/bin/sh\necho begun\nfor n in 1 2 3 4; do sleep 1; done\n",
}


def _trials(workplace: Workplace, run_id: str) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = workplace.get(f"/v1/runs/{run_id}")["trials"]
    return trials


def test_a_trial_stopped_past_its_lease_is_refused_and_its_run_graded_once_by_the_other(workplace: Workplace) -> None:
    with workplace.beating(), workplace.worker("zombie") as zombie:
        job_id = workplace.submit(UNHURRIED)
        [run] = workplace.get(f"/v1/jobs/{job_id}/runs")["items"]
        log = f"/v1/runs/{run['id']}/logs?stream=agent"
        until(lambda: "begun" in workplace.http.get(log).text, "the trial's log is shown")
        stopped = process_tree.stop(zombie.pid)
        with workplace.worker("other"):
            until(lambda: workplace.counts(job_id)["graded"] == 1, "the other has graded the run")
        told = workplace.http.get(f"/v1/runs/{run['id']}/result").json()
        process_tree.resume(stopped)
        until(lambda: "was taken back" in workplace.log_of("zombie").read_text(), "the zombie was refused")
        _nothing_changed(workplace, run["id"], told)
        _is_clean(workplace, zombie)
        again = workplace.submit(TASK)
        until(lambda: workplace.counts(again)["graded"] == 1, "the former zombie goes on working")
    _nothing_changed(workplace, run["id"], told)


def test_a_trial_stopped_between_its_files_and_its_row_changes_nothing_while_another_carries_its_run_out(
    workplace: Workplace,
) -> None:
    with workplace.beating():
        job_id = workplace.submit(UNHURRIED)
        with_victims(workplace, lambda victims: _wake_half_published(workplace, victims, job_id))
    first, second = workplace.runs(job_id)[0]["trials"]
    assert (first["state"], first["cause"], second["state"]) == ("lost", "host_lost", "graded")
    assert (workplace.layout.root / first["path"] / "result.json").is_file(), "it is kept, and never adopted"


async def _wake_half_published(workplace: Workplace, victims: Victims, job_id: str) -> None:
    zombie = await victims.start("zombie", at="Assignment._finish", number=signal.SIGSTOP)
    await asyncio.to_thread(until, victims.report("zombie").exists, "it has stopped with its files out")
    with workplace.worker("other"):
        await asyncio.to_thread(until, lambda: _shown(workplace, job_id, trial=2), "the other's trial has begun")
        os.kill(zombie.pid, signal.SIGCONT)
        refused = lambda: "is no longer" in workplace.log_of("zombie").read_text()  # noqa: E731
        await asyncio.to_thread(until, refused, "the zombie was refused")
        assert workplace.counts(job_id)["running"] == 1
        await asyncio.to_thread(until, lambda: workplace.counts(job_id)["graded"] == 1, "the other has graded the run")
    zombie.terminate()
    await zombie.ended


def _shown(workplace: Workplace, job_id: str, *, trial: int) -> bool:
    """Whether the run's trial of that number has shipped something."""
    [run] = workplace.runs(job_id)
    path = workplace.layout.root / run["trials"][-1]["path"] / "agent/oracle.txt"
    return len(run["trials"]) == trial and path.is_file()


def _nothing_changed(workplace: Workplace, run_id: str, told: Mapping[str, Any]) -> None:
    first, second = _trials(workplace, run_id)
    assert (first["state"], first["cause"], second["state"]) == ("lost", "host_lost", "graded")
    assert workplace.http.get(f"/v1/runs/{run_id}/result").json() == told
    directory = workplace.layout.root / first["path"]
    assert (directory / "agent/oracle.txt").read_text() == "begun\n"
    assert not (directory / "result.json").exists()
    assert (workplace.layout.root / second["path"] / "result.json").is_file()


def _is_clean(workplace: Workplace, zombie: "subprocess.Popen[bytes]") -> None:
    trials = workplace.scratch("zombie") / "trials"
    until(lambda: list(trials.iterdir()) == [], "the zombie's scratch is cleared away")
    until(lambda: len(process_tree.tree(zombie.pid)) == 2, "of its processes the supervisor and the nursery are left")
