"""What the pulse makes of instances that do not report: which to replace, and when to launch no more."""

from collections.abc import Sequence
from dataclasses import dataclass

from flotilla.states import BootOutcome

FAILED_IN_A_ROW = 3
"""So many boots in a row that fail, and none that succeeds: it is not the machines, and more of them only cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One instance: whether it is still in the group, how long ago the pulse first saw it, and what of its worker.

    `silent_seconds` is set if a worker was heard of once and none of that name lives now.
    """

    instance: str
    present: bool
    age_seconds: float
    reported: bool
    silent_seconds: float | None = None
    outcome: BootOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Which boots are decided now, and which instances are to be replaced."""

    reported: tuple[str, ...]
    failed: tuple[str, ...]
    replace: tuple[str, ...]


def judge(boots: Sequence[Boot], *, boot_seconds: float) -> Verdicts:
    """A boot succeeds when its worker reports; it fails when its time is over, or when it is gone before.

    An instance is replaced if it never reported within its boot time, or was heard of and then silent for as long:
    its runs were taken back long ago, and it keeps a place of the group.
    """
    undecided = [boot for boot in boots if boot.outcome is None]
    return Verdicts(
        reported=tuple(boot.instance for boot in undecided if boot.reported),
        failed=tuple(
            boot.instance
            for boot in undecided
            if not boot.reported and (not boot.present or boot.age_seconds > boot_seconds)
        ),
        replace=tuple(boot.instance for boot in boots if boot.present and _unheard_seconds(boot) > boot_seconds),
    )


def _unheard_seconds(boot: Boot) -> float:
    if boot.reported:
        return boot.silent_seconds or 0.0
    return boot.age_seconds


def launches_fail(latest: Sequence[BootOutcome]) -> bool:
    """Whether the latest boots, newest first, all failed."""
    newest = latest[:FAILED_IN_A_ROW]
    return len(newest) == FAILED_IN_A_ROW and all(outcome is BootOutcome.FAILED for outcome in newest)
