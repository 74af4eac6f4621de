"""What the fleet publishes about itself: the names that the pulse writes and that alarms and dashboards read."""

from enum import StrEnum

NAMESPACE = "Flotilla"
STAGE_DIMENSION = "Stage"
RESOLUTION_SECONDS = 1
"""Stored by the second, as an alarm with a period of ten seconds demands."""


class Metric(StrEnum):
    """One metric; its value is its name in CloudWatch."""

    WAITING = "Waiting"
    """Runs that may start now and do not run."""
    RUNNING = "Running"
    """Runs that a worker has."""
    OLDEST_WAIT = "OldestWait"
    """Seconds that the longest waiting of them has waited."""
    SLOTS_LIVE = "SlotsLive"
    """Slots of all workers that are heard of, draining ones too."""
    SLOTS_BUSY = "SlotsBusy"
    """Those of them with a trial."""
    SHORTFALL = "Shortfall"
    """Workers still to be asked for so that all waiting runs can start."""
    RUNS_GRADED = "RunsGraded"
    """Runs graded since the last tick."""
    RUNS_ERRORED = "RunsErrored"
    """Runs errored since the last tick."""
    TRIALS_PREEMPTED = "TrialsPreempted"
    """Trials that lost their worker to somebody else's wish since the last tick."""
    UNCLASSIFIED_ENDINGS = "UnclassifiedEndings"
    """Trials since the last tick whose exception has no cause in `flotilla.causes` yet."""
    LAUNCHES_STOPPED = "LaunchesStopped"
    """1 while the group launches nothing, since too many boots in a row failed or somebody said so; else 0."""
    UNREADABLE_LETTERS = "UnreadableLetters"
    """Messages on a dead-letter queue that are not what this fleet sends."""


UNITS = {Metric.OLDEST_WAIT: "Seconds"}
"""The unit of each metric that is not a plain `Count`."""


def unit(metric: Metric) -> str:
    """The unit as CloudWatch spells it."""
    return UNITS.get(metric, "Count")
