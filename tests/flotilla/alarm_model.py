"""A CloudWatch alarm and the step scaling policy behind it, as AWS runs them: from datapoints to workers added."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flotilla.scaling import ScaleOut

REPEAT_SECONDS = 60
"""An alarm's scaling action repeats so often while the alarm lasts; its other actions never do."""
DEFAULT_WARMUP_SECONDS = 300
"""What a policy does that states no warm-up: it takes the group's default cooldown."""
STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "Maximum": max,
    "Minimum": min,
    "Sum": sum,
    "Average": lambda values: sum(values) / len(values),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A step adjustment: bounds relative to the alarm's threshold, the upper one excluded."""

    lower: float
    upper: float | None
    add: int

    def holds(self, breach: float) -> bool:
        return self.lower <= breach and (self.upper is None or breach < self.upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a template says of the alarm and its policy."""

    statistic: str
    threshold: float
    period_seconds: int
    evaluation_periods: int
    datapoints_to_alarm: int
    missing_data: str
    warmup_seconds: int | None
    bands: tuple[Band, ...]

    @classmethod
    def of(cls, policy: ScaleOut) -> "Rule":
        """The rule that the policy object itself describes."""
        bands = [
            Band(lower=low, upper=up, add=step.add) for step in policy.steps for low, up in [policy.interval(step)]
        ]
        return cls(
            statistic=policy.statistic,
            threshold=policy.threshold,
            period_seconds=policy.period_seconds,
            evaluation_periods=policy.evaluation_periods,
            datapoints_to_alarm=policy.datapoints_to_alarm,
            missing_data=policy.missing_data,
            warmup_seconds=policy.warmup_seconds,
            bands=tuple(bands),
        )


@dataclass(slots=True, kw_only=True)
class Alarm:
    """The rule at work. Times in seconds since the story began."""

    rule: Rule
    alarming: bool = False
    _datapoints: list[tuple[float, float]] = field(default_factory=list)
    _acted_at: float = float("-inf")
    _warming: list[tuple[float, int]] = field(default_factory=list)

    def measure(self, now: float, value: float) -> None:
        """Takes one datapoint."""
        self._datapoints.append((now, value))

    def workers_to_add(self, now: float) -> int:
        """Evaluates, if a period has just ended; says by how many workers the policy raises the desired capacity."""
        if now % self.rule.period_seconds:
            return 0
        oldest = now - self.rule.period_seconds * self.rule.evaluation_periods
        self._datapoints = [(at, value) for at, value in self._datapoints if at >= oldest]
        was_alarming, self.alarming = self.alarming, self._breaching(now) >= self.rule.datapoints_to_alarm
        latest = self._aggregate(now)
        if not self.alarming or latest is None or (was_alarming and now - self._acted_at < REPEAT_SECONDS):
            return 0
        self._acted_at = now
        return self._step(now, latest - self.rule.threshold)

    def _breaching(self, now: float) -> int:
        ends = [now - number * self.rule.period_seconds for number in range(self.rule.evaluation_periods)]
        return sum(self._breaches(self._aggregate(end)) for end in ends)

    def _breaches(self, value: float | None) -> bool:
        return self.rule.missing_data == "breaching" if value is None else value >= self.rule.threshold

    def _aggregate(self, end: float) -> float | None:
        values = [value for at, value in self._datapoints if end - self.rule.period_seconds <= at < end]
        return STATISTICS[self.rule.statistic](values) if values else None

    def _step(self, now: float, breach: float) -> int:
        """What is still warming up counts towards the step, as AWS says of `EstimatedInstanceWarmup`."""
        warmup = DEFAULT_WARMUP_SECONDS if self.rule.warmup_seconds is None else self.rule.warmup_seconds
        self._warming = [(until, added) for until, added in self._warming if until > now]
        step = sum(band.add for band in self.rule.bands if band.holds(breach))
        added = max(0, step - sum(added for _, added in self._warming))
        self._warming.append((now + warmup, added))
        return added
