"""How long runs waited for their next trial after they lost one, as far as it could have begun."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf

from flotilla.local.drill.facts import Facts, Trial, Worker
from flotilla.local.drill.injuries import Absence
from flotilla.states import TrialState

type Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """From the loss of one trial to the start of its run's next one, in seconds while a slot was free elsewhere."""

    trial: str
    ending: TrialState
    seconds: float


def recoveries(facts: Facts) -> list[Recovery]:
    """One for every trial that was lost or preempted and followed by another.

    A lost one is lost when its worker was injured, not when the fleet noticed; a preempted one when it was given back.
    """
    free = list(free_spans(facts))
    found = []
    for run in facts.runs:
        for trial, following in zip(run.trials, run.trials[1:], strict=False):
            lost_at = loss_of(trial, facts.absences)
            if lost_at is not None:
                seconds = sum(_overlap(span, (lost_at, following.started_at)) for span in free)
                found.append(Recovery(trial=trial.name, ending=trial.state, seconds=seconds))
    return found


def loss_of(trial: Trial, absences: Sequence[Absence]) -> float | None:
    """When the trial was lost; None if it was not, or if nothing was done to its worker."""
    if trial.state is TrialState.PREEMPTED:
        return trial.finished_at
    if trial.state is not TrialState.LOST:
        return None
    blows = [absence for absence in absences if absence.worker == trial.worker and absence.deadly]
    met = (
        max(blow.begins, trial.started_at)
        for blow in blows
        if trial.started_at <= (blow.struck or blow.begins) and blow.begins <= (trial.finished_at or inf)
    )
    return max(met, default=None)


def free_spans(facts: Facts) -> Iterator[Span]:
    """The times in which at least one working worker had a free slot, and the database answered."""
    changes: list[tuple[float, int]] = []
    for worker in facts.workers:
        for begin, end in _presence(worker, facts.absences):
            changes += [(begin, worker.slots), (end, -worker.slots)]
    for run in facts.runs:
        for trial in run.trials:
            changes += [(trial.started_at, -1), (_ended(trial, facts.absences), 1)]
    free, since = 0, -inf
    for at, change in sorted(changes):
        if free > 0 and at > since:
            yield from _without((since, at), facts.blackouts)
        free, since = free + change, at


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """The smallest of the values that so large a share of them does not pass; None if there are none."""
    ordered = sorted(seconds)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else None


def _presence(worker: Worker, absences: Iterable[Absence]) -> list[Span]:
    """When an incarnation could work. An absence without an end ends the incarnation that it found."""
    end = worker.stopped_at if worker.stopped_at is not None else inf
    mine = [
        (absence.begins, inf if absence.ends is None else absence.ends)
        for absence in absences
        if absence.worker == worker.name and absence.begins >= worker.started_at
    ]
    return _without((worker.started_at, end), mine)


def _ended(trial: Trial, absences: Sequence[Absence]) -> float:
    lost_at = loss_of(trial, absences)
    ended = trial.finished_at if trial.finished_at is not None else inf
    return ended if lost_at is None else lost_at


def _without(span: Span, holes: Iterable[Span]) -> list[Span]:
    left = [span]
    for begin, end in holes:
        left = [part for one in left for part in ((one[0], min(one[1], begin)), (max(one[0], end), one[1]))]
        left = [part for part in left if part[0] < part[1]]
    return left


def _overlap(one: Span, other: Span) -> float:
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)
