"""Samples, their medians and ranges, and the goals that they are held to: arithmetic and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median


class Verdict(StrEnum):
    """What became of a goal."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"
    """This run left out the figure, or a side that it is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median, and how far the samples lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """That of one sample or more."""
        return cls(median=median(samples), low=min(samples), high=max(samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured of one side, once a round."""

    side: str
    name: str
    unit: str
    samples: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        return Spread.of(self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on a side's figure, or on its ratio to the same figure of the side `against`, in the median of rounds."""

    side: str
    figure: str
    against: str | None = None
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"the goal for {self.figure} wants at_most or at_least, and not both")

    def judged(self, figures: Sequence[Figure]) -> "Judged":
        """What the figures make of it."""
        samples = self._samples(figures)
        if not samples:
            return Judged(goal=self, spread=None, verdict=Verdict.NOT_MEASURED)
        spread = Spread.of(samples)
        return Judged(goal=self, spread=spread, verdict=Verdict.MET if self._holds(spread.median) else Verdict.MISSED)

    def _holds(self, value: float) -> bool:
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)

    def _samples(self, figures: Sequence[Figure]) -> Sequence[float]:
        ours = _samples(figures, side=self.side, name=self.figure)
        if self.against is None:
            return ours
        theirs = _samples(figures, side=self.against, name=self.figure)
        if not ours or not theirs:
            return ()
        # Each round against itself: a slow minute of the machine slows both sides of it.
        return [mine / other for mine, other in zip(ours, theirs, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A goal with the value that was measured; no spread where nothing was."""

    goal: Goal
    spread: Spread | None
    verdict: Verdict


def _samples(figures: Sequence[Figure], *, side: str, name: str) -> tuple[float, ...]:
    return next((figure.samples for figure in figures if (figure.side, figure.name) == (side, name)), ())
