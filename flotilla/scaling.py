"""The scaling policy: pure functions from what is observed to what is short, and the alarm that asks for it.

The alarms that `cdk/` deploys, the pulse that feeds them and the tests that close the loop all use what stands here.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from flotilla.metrics import Metric

MOST_STEPS = 20
"""More than that, a step scaling policy does not take."""
MOST_EXACT = 15
"""Up to this shortfall the policy adds exactly what is short."""
COARSE_FROM = (16, 32, 64, 128, 256)
"""Beyond, each band adds its lower bound: at least half of what is short, and never more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the shortfall is computed from, all of one tick.

    `desired`, `most` and `instances` are the group's, without instances that are terminating; `reported` are those of
    the instances whose worker was ever heard of.
    """

    waiting: int
    free: int
    desired: int
    instances: int
    reported: int
    most: int

    @property
    def coming(self) -> int:
        """Workers that were asked for and have not reported yet."""
        return max(self.desired, self.instances) - self.reported


def shortfall(seen: Observation, *, slots: int) -> int:
    """The workers of so many slots still to be asked for, so that all waiting runs can start."""
    uncovered = seen.waiting - seen.free - seen.coming * slots
    return max(0, min(ceil(uncovered / slots), seen.most - seen.desired))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One band of a step scaling policy: a shortfall from `lower` to below `upper` adds `add` workers."""

    lower: int
    upper: int | None
    add: int


def _steps() -> tuple[Step, ...]:
    bounds = [*range(1, MOST_EXACT + 1), *COARSE_FROM]
    return tuple(
        Step(lower=lower, upper=upper, add=lower) for lower, upper in zip(bounds, [*bounds[1:], None], strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOut:
    """The alarm on the shortfall and the step scaling policy that it triggers, in CloudWatch's own words.

    The action repeats each minute as long as the alarm lasts, with the datapoint of that moment.
    """

    metric: Metric = Metric.SHORTFALL
    statistic: str = "Maximum"
    comparison: str = "GreaterThanOrEqualToThreshold"
    threshold: int = 1
    period_seconds: int = 10
    evaluation_periods: int = 1
    datapoints_to_alarm: int = 1
    missing_data: str = "notBreaching"
    adjustment_type: str = "ChangeInCapacity"
    warmup_seconds: int = 0
    """The shortfall already counts what is coming; the policy must not count it again."""
    steps: tuple[Step, ...] = _steps()

    def adds(self, short: int) -> int:
        """The workers that the policy adds for a shortfall."""
        return next((step.add for step in reversed(self.steps) if short >= step.lower), 0)

    def interval(self, step: Step) -> tuple[int, int | None]:
        """A step's bounds as a step adjustment wants them: relative to the threshold, the upper one excluded."""
        return step.lower - self.threshold, None if step.upper is None else step.upper - self.threshold


SCALE_OUT = ScaleOut()

BOOT_SECONDS = 600.0
"""So long an instance may take until its worker reports; then it is replaced."""
IDLE_SECONDS = 600.0
"""So long a worker that had work waits for more before it leaves."""
IDLE_SECONDS_NEVER_WORKED = 60.0
"""So long one waits that never had any: it came for nothing."""
RETIREMENT_SECONDS = 3 * 86_400.0
"""So old a worker may grow: what its host gathers, and what its image lacks by then, is not worth a longer life."""
RETIREMENT_TRIALS = 20_000
"""So many trials it may have begun by then."""


class Stay(StrEnum):
    """Why a worker that wants to leave stays."""

    BUSY = "it has trials"
    NOT_IDLE_FOR_LONG = "it has not been idle for its whole idle time"
    WORK_WAITS = "runs wait that it could start"
    MINIMUM = "the group is at its minimum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """How long a worker stays; times in seconds."""

    idle_seconds: float = IDLE_SECONDS
    idle_seconds_never_worked: float = IDLE_SECONDS_NEVER_WORKED
    retirement_seconds: float = RETIREMENT_SECONDS
    retirement_trials: int = RETIREMENT_TRIALS


TENURE = Tenure()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaver:
    """A worker that wants to leave. `retiring`: past its age, its trials or its template, so no idle time is asked."""

    busy: int
    idle_seconds: float
    worked: bool
    retiring: bool = False


class Departure(StrEnum):
    """How a worker that may go leaves its group."""

    LOWERING = "lowering"
    """The group asks for one instance less."""
    IN_PLACE = "in_place"
    """It asks for as many as before, and launches another if it then has too few."""


def may_leave(
    leaver: Leaver, *, waiting: int, desired: int, minimum: int, instances: int, tenure: Tenure = TENURE
) -> Stay | Departure:
    """Why the worker must stay, or how it is to go. `instances` are the group's, without those that are terminating.

    A group that holds more than it asks for has launched a replacement already (for a machine that spot may take): who
    lowered it then would take another's place. At the minimum only a retiring worker goes, to be replaced.
    """
    surplus = instances > desired
    if leaver.busy:
        return Stay.BUSY
    if not leaver.retiring and leaver.idle_seconds < _idle_time(leaver, tenure):
        return Stay.NOT_IDLE_FOR_LONG
    if not leaver.retiring and waiting:
        return Stay.WORK_WAITS
    if not surplus and desired > minimum:
        return Departure.LOWERING
    return Departure.IN_PLACE if surplus or leaver.retiring else Stay.MINIMUM


def wants_to_leave(leaver: Leaver, *, tenure: Tenure = TENURE) -> bool:
    """Whether it has nothing to do and its time is over, so that it is worth asking whether it may leave."""
    return not leaver.busy and (leaver.retiring or leaver.idle_seconds >= _idle_time(leaver, tenure))


def is_past_its_time(*, age_seconds: float, trials: int, tenure: Tenure = TENURE) -> bool:
    """Whether a worker has lived or worked for so long that another should take its place."""
    return age_seconds >= tenure.retirement_seconds or trials >= tenure.retirement_trials


def _idle_time(leaver: Leaver, tenure: Tenure) -> float:
    return tenure.idle_seconds if leaver.worked else tenure.idle_seconds_never_worked
