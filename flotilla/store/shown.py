"""What is shown of jobs, runs and trials: values in the very shape in which the API answers with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flotilla.states import JobState, Priority, RunState, TrialState, WaitingOn
from flotilla.store.conditions import Conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOfJob:
    """The bundle that a job runs."""

    id: str
    sha256: str
    task_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who solves the task: Harbor's agent, its model, and what else it is told."""

    name: str
    model: str | None
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of a job's runs stand where."""

    pending: int
    queued: int
    running: int
    graded: int
    errored: int
    cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job with its tally; `mean_reward` is over the graded runs that have a reward."""

    id: str
    state: JobState
    experiment: str | None
    bundle: BundleOfJob
    agent: Agent
    priority: Priority
    runs: int
    max_trials: int
    secrets: Sequence[str]
    counts: Counts
    mean_reward: float | None
    cancel_requested: bool
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A log as far as it was shipped: its path in the trial's directory, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One physical execution of a run; `path` is its directory, relative to the shared root."""

    name: str
    number: int
    state: TrialState
    cause: str | None
    exception: str | None
    message: str | None
    worker: str
    started_at: datetime
    finished_at: datetime | None
    path: str
    logs: Mapping[str, LogFile]
    conditions: Conditions | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What every answer says of a run; exception, message, log tail and `contended` are of the trial that counts.

    `waiting_detail` is how much of a resource is asked and how much is free, where the run waits for room on a host;
    `contended` is whether its host stood still too much meanwhile, null where that is not known.
    """

    id: str
    job_id: str
    number: int
    state: RunState
    reward: float | None
    rewards: Mapping[str, float] | None
    cause: str | None
    exception: str | None
    message: str | None
    log_tail: str | None
    contended: bool | None
    waiting_on: WaitingOn | None
    waiting_detail: str | None
    waiting_since: datetime | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    retry_of: str | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(RunFacts):
    """A run in a list; `trials` is their number."""

    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory(RunFacts):
    """A run with all its trials, oldest first."""

    trials: Sequence[Trial]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Where a run stands, and Harbor's result document (JSON text) of the trial that counts."""

    state: RunState
    cause: str | None
    result: str | None = field(repr=False)
