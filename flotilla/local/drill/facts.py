"""What the witnesses say after a drill, as values: the verdict is a function of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flotilla.local.drill.injuries import Absence
from flotilla.local.drill.ledger import Entry
from flotilla.states import RunState, TrialState


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one witness has as a trial's result: whose it is, and the nonce that the trial put into its reward."""

    trial: str | None
    nonce: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A trial's directory on the shared file system."""

    trial: str
    files: frozenset[str]
    result: Result | None = None
    torn: bool = False
    """Whether its `result.json` is there and is no JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial's row; `counts` if its run names it. Times are seconds since the epoch."""

    name: str
    number: int
    worker: str
    state: TrialState
    started_at: float
    finished_at: float | None
    counts: bool
    result: Result | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as the database, the API and the shared file system have it."""

    number: int
    state: RunState
    cause: str | None
    nonce: int | None
    shown_state: str | None
    shown_nonce: int | None
    shown_result: Result | None
    trials: Sequence[Trial]
    directories: Sequence[Directory]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many runs a job says that it has, and how many of them are still open."""

    runs: int
    open_runs: int
    state: str
    shown: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What a queue says that it holds."""

    queue: str
    messages: int
    dead_letters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One incarnation of a worker."""

    name: str
    slots: int
    started_at: float
    stopped_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known after a drill."""

    asked_runs: int
    lease_seconds: float
    runs: Sequence[Run]
    tally: Tally
    depths: Sequence[Depth]
    workers: Sequence[Worker]
    entries: Sequence[Entry]
    absences: Sequence[Absence] = ()
    blackouts: Sequence[tuple[float, float]] = ()
    """Times without a database."""
    rewritten: Sequence[str] = ()
    """What a client saw change after it had been final."""
    orphans: Sequence[str] = field(default=())
    """What is left on the host and on the engine."""
