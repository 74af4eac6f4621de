"""Asks every witness once all has come to rest: the database, the queue, the API, the shared file system.

Its statements are its own: what is judged here is also what `flotilla.store` says of itself.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, text

from flotilla.cli.client import Client
from flotilla.layout import Layout
from flotilla.local.drill.facts import Depth, Directory, Result, Run, Tally, Trial, Worker
from flotilla.local.drill.watch import nonce_of, numbers_of
from flotilla.local.programs import Addresses
from flotilla.local.queues import REGION, queue_urls
from flotilla.queue import sqs_client
from flotilla.queue_policy import dead_letter_name
from flotilla.states import RunState, TrialState

_RUNS = text("SELECT id, number, state, cause, trial_id, rewards FROM runs WHERE job_id = :job ORDER BY number")
_TRIALS = text("""
    SELECT trials.id, trials.run_id, trials.name, trials.number, workers.name AS worker, trials.state,
        trials.started_at, trials.finished_at, trials.result
    FROM trials JOIN runs ON runs.id = trials.run_id JOIN workers ON workers.id = trials.worker_id
    WHERE runs.job_id = :job ORDER BY trials.run_id, trials.number
""")
_JOB = text("SELECT runs, open_runs, state FROM jobs WHERE id = :job")
_WORKERS = text("SELECT name, slots, started_at, stopped_at FROM workers ORDER BY started_at")
_MESSAGES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def ask_runs(connection: Connection, client: Client, *, job_id: str, layout: Layout) -> list[Run]:
    """Every run as the database, the API and the files have it."""
    trials: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(_TRIALS, {"job": job_id}):
        trials[row.run_id].append(row)
    shown: dict[int, Any] = {run["number"]: run for run in client.runs(job_id)}
    return [
        _run(
            row,
            trials[row.id],
            shown=shown.get(row.number, {}),
            result=client.transport.get(f"/v1/runs/{row.id}/result") if row.state == RunState.GRADED else None,
            directories=directories(layout.run(job_id, row.number)),
        )
        for row in connection.execute(_RUNS, {"job": job_id}).all()
    ]


def ask_tally(connection: Connection, client: Client, *, job_id: str) -> Tally:
    """What the job says of its runs."""
    row = connection.execute(_JOB, {"job": job_id}).one()
    shown = numbers_of(client.job(job_id))
    return Tally(runs=row.runs, open_runs=row.open_runs, state=row.state, shown=shown)


def ask_workers(connection: Connection) -> list[Worker]:
    """Every incarnation of every worker."""
    return [
        Worker(name=row.name, slots=row.slots, started_at=_seconds(row.started_at), stopped_at=_moment(row.stopped_at))
        for row in connection.execute(_WORKERS)
    ]


def ask_queues(addresses: Addresses) -> list[Depth]:
    """How many messages each queue still holds, in whatever way."""
    endpoint, key = addresses.queue_endpoint, addresses.queue_key
    with closing(sqs_client(endpoint_url=endpoint, region=REGION, access_key=key)) as client:
        depths = []
        for url in queue_urls(endpoint).values():
            for address, buried in ((url, False), (dead_letter_name(url), True)):
                known = client.get_queue_attributes(QueueUrl=address, AttributeNames=["All"])["Attributes"]
                number = sum(int(text) for name, text in known.items() if name in _MESSAGES)
                depths.append(Depth(queue=address.rpartition("/")[2], messages=number, dead_letters=buried))
    return depths


def directories(run: Path) -> list[Directory]:
    """The directories of a run's trials."""
    return [_directory(place) for place in sorted(run.iterdir())] if run.is_dir() else []


def _directory(place: Path) -> Directory:
    files = frozenset(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    if "result.json" not in files:
        return Directory(trial=place.name, files=files)
    try:
        document = json.loads((place / "result.json").read_text())
    except ValueError:
        return Directory(trial=place.name, files=files, torn=True)
    return Directory(trial=place.name, files=files, result=result_of(document))


def result_of(document: Mapping[str, Any] | None) -> Result | None:
    """What Harbor's own document says."""
    if document is None:
        return None
    rewards = (document.get("verifier_result") or {}).get("rewards")
    return Result(trial=document.get("trial_name"), nonce=nonce_of(rewards))


def _run(
    row: Row[Any],
    trials: Sequence[Row[Any]],
    *,
    shown: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    directories: Sequence[Directory],
) -> Run:
    return Run(
        number=row.number,
        state=RunState(row.state),
        cause=row.cause,
        nonce=nonce_of(row.rewards),
        shown_state=shown.get("state"),
        shown_nonce=nonce_of(shown.get("rewards")),
        shown_result=result_of(result),
        trials=[_trial(trial, counts=trial.id == row.trial_id) for trial in trials],
        directories=directories,
    )


def _trial(row: Row[Any], *, counts: bool) -> Trial:
    return Trial(
        name=row.name,
        number=row.number,
        worker=row.worker,
        state=TrialState(row.state),
        started_at=_seconds(row.started_at),
        finished_at=_moment(row.finished_at),
        counts=counts,
        result=result_of(row.result),
    )


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _moment(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
