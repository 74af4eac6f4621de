"""Jobs, runs, workers and queues as tables, and a job's result in a sentence."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import Console
from rich.table import Table

from flotilla.cli.documents import Job, Queue, Redriven, Run, Worker

NUMBERS = {
    *("run", "reward", "mean reward", "seconds", "runs", "graded", "errored", "busy", "slots"),
    *("visible", "in flight", "delayed", "dead letters", "moved", "left alone", "unreadable", "remaining"),
}
STYLES = {
    "graded": "green",
    "errored": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "done": "green",
    "unfit": "red",
}


def jobs_table(jobs: Iterable[Job]) -> Table:
    """One line a job."""
    table = _table("job", "state", "task", "agent", "runs", "graded", "errored", "mean reward", "experiment", "created")
    for job in jobs:
        counts = job["counts"]
        table.add_row(
            job["id"],
            _state(job["state"]),
            job["bundle"]["task_name"],
            _agent(job),
            str(job["runs"]),
            str(counts["graded"]),
            str(counts["errored"]),
            _number(job["mean_reward"]),
            job["experiment"] or "",
            _moment(job["created_at"]),
        )
    return table


def runs_table(runs: Iterable[Run], *, directories: Mapping[str, str]) -> Table:
    """One line a run; `directories` has the trial's directory of each run id, where that is known."""
    table = _table("run", "state", "reward", "seconds", "cause", "trial directory")
    for run in runs:
        directory = directories.get(run["id"], run["path"])
        table.add_row(
            str(run["number"]), _state(run["state"]), _number(run["reward"]), _seconds(run), _why(run), directory
        )
    return table


def workers_table(workers: Iterable[Worker]) -> Table:
    """One line a worker."""
    table = _table("worker", "state", "busy", "slots", "environment", "version", "harbor", "since", "reason")
    for worker in workers:
        table.add_row(
            worker["name"],
            _state(worker["state"]),
            str(worker["busy"]),
            str(worker["slots"]),
            worker["environment"],
            worker["version"],
            worker["harbor_version"],
            _moment(worker["started_at"]),
            worker["reason"] or "",
        )
    return table


def queues_table(queues: Iterable[Queue]) -> Table:
    """One line a queue."""
    table = _table("queue", "visible", "in flight", "delayed", "dead letters")
    for queue in queues:
        counts = (queue["visible"], queue["in_flight"], queue["delayed"], queue["dead_letters"])
        table.add_row(queue["priority"], *map(str, counts))
    return table


def redriven_table(redriven: Iterable[Redriven]) -> Table:
    """One line a queue."""
    table = _table("queue", "moved", "left alone", "unreadable", "remaining")
    for one in redriven:
        counts = (one["moved"], one["left_alone"], one["unreadable"], one["remaining"])
        table.add_row(one["priority"], *map(str, counts))
    return table


def summary(job: Job) -> str:
    """A job's result, such as `job_0jd… is done: 9 graded, 1 errored of 10 runs; mean reward 0.5`."""
    standing = ", ".join(f"{number} {state}" for state, number in job["counts"].items() if number)
    mean = "no reward yet" if job["mean_reward"] is None else f"mean reward {job['mean_reward']:.4g}"
    name = f"{job['id']} ({job['bundle']['task_name']}, {_agent(job)})"
    return f"{name} is {job['state']}: {standing} of {job['runs']} runs; {mean}"


def contention(runs: Iterable[Run]) -> str | None:
    """A warning about the runs whose host stood still too much; None if there are none."""
    number = sum(1 for run in runs if run.get("contended"))
    if not number:
        return None
    what = "1 run was" if number == 1 else f"{number} runs were"
    return f"{what} contended: the host stood still for much of its time, which may have cost reward"


def show(console: Console, table: Table) -> None:
    """Prints a table whole: a line too long for the terminal is wrapped, in a pipe it is as long as it is."""
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    return table


def _state(state: str) -> str:
    style = STYLES.get(state)
    return f"[{style}]{state}[/]" if style else state


def _agent(job: Job) -> str:
    model = job["agent"]["model"]
    return f"{job['agent']['name']} {model}" if model else job["agent"]["name"]


def _why(run: Run) -> str:
    detail = f": {run['waiting_detail']}" if run.get("waiting_detail") else ""
    waits = f"waits on {run['waiting_on']}{detail}" if run["waiting_on"] else None
    return ", ".join(filter(None, [run["cause"] or waits, "contended" if run.get("contended") else None]))


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"


def _seconds(run: Run) -> str:
    if run["started_at"] is None or run["finished_at"] is None:
        return ""
    lasted = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
    return f"{lasted.total_seconds():.1f}"


def _moment(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
