"""Cancelling a job: what waits ends at once, what runs is stopped, and twice is no error."""

from tests.acceptance.asking import Asking
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import until

RUNS = 14  # more than any stack here has slots
UNENDING = {**TASK, "solution/solve.sh": "#!/bin/sh\necho begun\nsleep 600\n"}


def test_running_trials_are_stopped_and_waiting_runs_never_start(anywhere: Asking) -> None:
    job_id = anywhere.submit(UNENDING, runs=RUNS)
    until(lambda: anywhere.job(job_id)["counts"]["running"] >= 5, "some runs are running")
    for _ in range(2):
        answer = anywhere.http.post(f"/v1/jobs/{job_id}/cancel")
        assert answer.status_code == 200
        assert answer.json()["cancel_requested"]
    runs = anywhere.ended(job_id)
    assert {(run["state"], run["cause"]) for run in runs} == {("cancelled", "cancelled")}
    assert anywhere.job(job_id)["state"] == "cancelled"
    begun = [trial for run in runs for trial in run["trials"]]
    assert {trial["state"] for trial in begun} == {"cancelled"}
    assert 5 <= len(begun) < RUNS
