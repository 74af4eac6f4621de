"""The words for where a run, a trial, a job and a worker stand, and every arrow between them.

    A run                                    ┌─────────────▶ cancelled
                                             │                   ▲
            ┌──────── not startable ─────────┤                   │
            ▼                                │                   │
        pending ──── message sent ──────▶ queued ── claimed ─▶ running ──▶ graded
            │ ▲                                                │ │ │
            │ └──────── taken back (preempted, lost, …) ───────┘ │ └────▶ errored
            └─────────── claimed (a message came twice) ─────────┘

A trial begins `running` and ends once, as one of the other words of `TrialState`.
"""

from enum import StrEnum


class RunState(StrEnum):
    """Where one run stands."""

    PENDING = "pending"
    """Waits in PostgreSQL; no message for it is on the queue, as far as is known."""
    QUEUED = "queued"
    """Waits, and a message for it was sent."""
    RUNNING = "running"
    """A worker holds its lease and an open trial."""
    GRADED = "graded"
    """Harbor's verifier gave a reward, whatever it is."""
    ERRORED = "errored"
    """It ended without a reward; `cause` says why."""
    CANCELLED = "cancelled"
    """Somebody stopped it before it had a result."""


class TrialState(StrEnum):
    """Where one physical execution of a run stands; all but `RUNNING` are endings."""

    RUNNING = "running"
    """Its worker holds the run's lease."""
    GRADED = "graded"
    """It gave the run its reward."""
    ERRORED = "errored"
    """It ended without a reward."""
    PREEMPTED = "preempted"
    """Its worker had to give it up (spot interruption, a stop before it was done)."""
    LOST = "lost"
    """Its worker fell silent."""
    CANCELLED = "cancelled"
    """It was stopped because the run was cancelled."""


class JobState(StrEnum):
    """A job is never failed because a run was."""

    RUNNING = "running"
    """At least one run is not terminal."""
    DONE = "done"
    """Every run is terminal and none was cancelled."""
    CANCELLED = "cancelled"
    """Every run is terminal and at least one was cancelled."""


class WorkerState(StrEnum):
    """What a worker does with new work."""

    ACCEPTING = "accepting"
    """It receives messages while it has free slots."""
    DRAINING = "draining"
    """It finishes what it has and receives nothing."""
    UNFIT = "unfit"
    """Its host cannot carry trials out at the moment: it receives nothing until it can; `reason` says what is wrong."""
    STOPPED = "stopped"
    """It ended by itself."""
    LOST = "lost"
    """It fell silent for a whole lease."""


class Priority(StrEnum):
    """Which of the two queues a job's runs are sent to."""

    HIGH = "high"
    NORMAL = "normal"


class WaitingOn(StrEnum):
    """Why a run that is not running waits."""

    DISPATCH = "dispatch"
    """Its message is not sent yet; the next pulse sends it."""
    WORKER = "worker"
    """Its message is on the queue; no slot was free yet."""
    BACKOFF = "backoff"
    """Its last trial met an infrastructure fault; it may start again at `not_before`."""
    LAUNCHES = "launches"
    """No slot is free, and the group launches nothing: too many boots in a row failed. People were told."""
    OTHER_HOST = "other_host"
    """The host that had a slot for it failed it before, and there is another one that has not."""
    CPUS = "cpus"
    """The worker that received it has not as many CPUs left as its task declares; it looks again within a minute."""
    MEMORY = "memory"
    """The same, for memory."""
    STORAGE = "storage"
    """The same, for storage."""


class BootOutcome(StrEnum):
    """What became of an instance of the group."""

    REPORTED = "reported"
    """Its worker was heard of."""
    FAILED = "failed"
    """It was gone, or its boot time was over, before its worker was heard of."""


ARROWS: dict[RunState, frozenset[RunState]] = {
    RunState.PENDING: frozenset({RunState.QUEUED, RunState.RUNNING, RunState.CANCELLED, RunState.ERRORED}),
    RunState.QUEUED: frozenset({RunState.PENDING, RunState.RUNNING, RunState.CANCELLED, RunState.ERRORED}),
    RunState.RUNNING: frozenset({RunState.PENDING, RunState.GRADED, RunState.ERRORED, RunState.CANCELLED}),
    RunState.GRADED: frozenset(),
    RunState.ERRORED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
"""From each state, the states it may become. A terminal state has no way out."""

TERMINAL: frozenset[RunState] = frozenset(state for state, ways_out in ARROWS.items() if not ways_out)
WAITING: frozenset[RunState] = frozenset({RunState.PENDING, RunState.QUEUED})
