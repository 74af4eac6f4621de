"""What the server answers, as far as the command line reads it; `--json` prints the answers whole."""

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict


class Counts(TypedDict):
    """How many runs of a job stand where."""

    pending: int
    queued: int
    running: int
    graded: int
    errored: int
    cancelled: int


class Bundle(TypedDict):
    """A stored bundle."""

    id: str
    sha256: str
    task_name: str


class Agent(TypedDict):
    """Who works on a task."""

    name: str
    model: str | None


class Job(TypedDict):
    """A job."""

    id: str
    state: str
    bundle: Bundle
    agent: Agent
    experiment: str | None
    runs: int
    counts: Counts
    mean_reward: float | None
    created_at: str
    finished_at: str | None


class RunFacts(TypedDict):
    """What every answer says of a run; `path` is its directory, relative to the shared root."""

    id: str
    job_id: str
    number: int
    state: str
    reward: float | None
    cause: str | None
    message: str | None
    contended: bool | None
    waiting_on: str | None
    waiting_detail: str | None
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    path: str


class Run(RunFacts):
    """A run in its job's list; `trials` counts them."""

    trials: int


class Trial(TypedDict):
    """One trial of a run; `path` is its directory, relative to the shared root."""

    name: str
    number: int
    state: str
    cause: str | None
    worker: str
    path: str


class RunHistory(RunFacts):
    """A run with all its trials, oldest first."""

    trials: Sequence[Trial]


class Worker(TypedDict):
    """A worker that lives."""

    name: str
    state: str
    slots: int
    busy: int
    reason: str | None
    environment: str
    version: str
    harbor_version: str
    started_at: str


class Queue(TypedDict):
    """About how many messages a queue holds."""

    priority: str
    visible: int
    in_flight: int
    delayed: int
    dead_letters: int


class Redriven(TypedDict):
    """What became of a queue's dead letters."""

    priority: str
    moved: int
    left_alone: int
    unreadable: int
    remaining: int


class Order(TypedDict, total=False):
    """What a job is asked for with, beside its bundle."""

    agent: Required[Mapping[str, Any]]
    runs: int
    priority: str
    experiment: str | None
    max_trials: int
    secrets: Sequence[str] | None
