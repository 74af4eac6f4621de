"""What a measure is, and what it is given to work with.

To add one, write a module like `bench/one_trial.py` that ends in a `Measure`, and name it in `bench/measures.py`:

- `run` gets a `Ground`. It takes the sides in turn, round by round, so that a slow minute of the machine meets all of
  them, and notes a sample a round: `ground.note(side, figure, value, unit="s")`. Both sides of a ratio need as many.
- What a round did is checked before it is noted: a side that failed quickly is no fast side. Raise `BenchFault`.
- `goals` bound the median of a figure, or of its ratio to another side's. A missed goal is printed, and is no error.
- `check` raises `MissingPart` where the machine lacks something; it is called for all measures before the first begins.
- `ground.quick` asks for as much as `make bench-quick` has time for; a measure with `quick=False` is not part of that.
- `ground.remark` is for what a reader of the table must know: a limit of the machine, a split of the time, a count.
- Everything that is written goes below `ground.work`, which is removed. A stack is had by `bench.stack.running`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figure, Goal


@dataclass(slots=True, kw_only=True)
class Ground:
    """Where one measure works, and what it has noted so far."""

    quick: bool
    work: Path
    """A directory of this measure alone, short enough for sockets, removed afterwards."""
    rounds: int | None
    """How many rounds were asked for, where the caller did."""
    say: Callable[[str], None]
    remarks: list[str] = field(default_factory=list)
    _samples: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def note(self, side: str, figure: str, value: float, *, unit: str) -> None:
        """One sample."""
        self._samples.setdefault((side, figure, unit), []).append(value)
        self.say(f"{side}: {figure} {value:.4g} {unit}")

    def forget(self, side: str) -> None:
        """All samples of a side that is not to be compared with."""
        self._samples = {key: samples for key, samples in self._samples.items() if key[0] != side}

    def remark(self, line: str) -> None:
        """A sentence for under the table."""
        self.remarks.append(line)
        self.say(line)

    def rounds_of(self, *, quick: int, full: int) -> int:
        """The rounds to go, unless the caller chose."""
        return self.rounds or (quick if self.quick else full)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All that was noted, in the order in which it first was."""
        return tuple(
            Figure(side=side, name=name, unit=unit, samples=tuple(samples))
            for (side, name, unit), samples in self._samples.items()
        )


def nothing_to_check() -> None:
    """For measures that need only what this project installs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to be measured; `key` is how the command line calls it."""

    key: str
    title: str
    run: Callable[[Ground], None]
    goals: tuple[Goal, ...] = ()
    quick: bool = True
    check: Callable[[], None] = nothing_to_check
