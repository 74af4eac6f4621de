"""What a job came to: its runs as a table and a summary, or one JSON document."""

import json
import sys
from typing import Any

from rich.console import Console

from flotilla.cli.client import Client
from flotilla.cli.documents import Job, Run
from flotilla.cli.progress import progress
from flotilla.cli.tables import contention, runs_table, show, summary
from flotilla.cli.waiting import wait_for

MOST_LOOKUPS = 100  # runs whose trial's directory is asked for, one request each


def follow(client: Client, job_id: str) -> Job:
    """Waits for the job with a live line on standard error; returns it once it has ended."""
    with progress(Console(stderr=True)) as show_line:
        return wait_for(client, job_id, show=show_line)


def print_job(client: Client, job: Job) -> None:
    """The table of its runs, a warning if some were contended, then the summary."""
    runs = list(client.runs(job["id"]))
    show(Console(), runs_table(runs, directories=trial_directories(client, runs)))
    lines = Console(soft_wrap=True, highlight=False)
    if warning := contention(runs):
        lines.print(warning, style="yellow", markup=False)
    lines.print(summary(job), markup=False)


def print_json(document: Any) -> None:
    """One document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def trial_directories(client: Client, runs: list[Run]) -> dict[str, str]:
    """The directory of each run's latest trial by run id, relative to the shared root; of a few runs only."""
    tried = [run["id"] for run in runs if run["trials"]]
    if len(tried) > MOST_LOOKUPS:
        return {}
    return {run_id: client.run(run_id)["trials"][-1]["path"] for run_id in tried}
