"""Lays out what one trial needs on the local disk, and writes its order to the nursery."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from flotilla.store.leases import Claimed
from flotilla.task import CheckedTask
from worker_agent.trial import TrialOrder
from worker_agent.trial_processes import Order

DEFAULT_AGENT_SECONDS = 3_600.0  # for tasks that set no limit: Harbor would wait for ever
UNSTATED_SECONDS = 1_800.0  # what no task states: the agent's own set-up (Harbor: up to 1,200 s), copies, stopping

_TASKS = TypeAdapter(CheckedTask)


def checked_task(run: Claimed) -> CheckedTask:
    """What the check of the run's bundle found out."""
    return _TASKS.validate_python(run.task)


def longest_seconds(task: CheckedTask, *, build_patience: float) -> float:
    """After this time a trial is stopped: every phase has its own limit, so it can only be stuck between them."""
    waiting = (build_patience - 1) * task.build_timeout_sec
    return task.longest_trial_seconds(DEFAULT_AGENT_SECONDS) + waiting + UNSTATED_SECONDS


def place_order(
    run: Claimed,
    *,
    scratch: Path,
    task_directory: Path,
    variables: Mapping[str, str],
    secrets: Mapping[str, str],
    environment: Mapping[str, Any],
    build_patience: float,
    niceness: int,
) -> Order:
    """Makes the trial's directories and says what its process is to do."""
    for folder in ("home", "tmp", "trials"):
        (scratch / folder).mkdir(parents=True, exist_ok=True)
    limits = [phase.agent_timeout_sec for phase in checked_task(run).phases]
    words = TrialOrder(
        name=run.trial_name,
        task=str(task_directory),
        trials=str(scratch / "trials"),
        outcome=str(scratch / "outcome.json"),
        agent_name=run.agent_name,
        agent_model=run.agent_model,
        agent_kwargs=dict(run.agent_kwargs),
        secrets=tuple(secrets),
        environment=dict(environment),
        build_patience=build_patience,
        default_agent_seconds=DEFAULT_AGENT_SECONDS,
        override_agent_seconds=None if any(limits) else DEFAULT_AGENT_SECONDS,
    )
    own = {"HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp")}
    return Order(
        id=run.trial_name,
        entry="worker_agent.trial:run",
        arguments=asdict(words),
        environment={**variables, **own, **secrets},
        log=scratch / "process.log",
        niceness=niceness,
    )
