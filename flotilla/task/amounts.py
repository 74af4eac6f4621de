"""Amounts in `task.toml` that Harbor takes at their word and that no machine can honour."""

from collections.abc import Iterator
from typing import NamedTuple

from flotilla.task.config import TaskConfig, Verifier
from flotilla.task.document import TASK_TOML
from flotilla.task.environment import Environment, Healthcheck
from flotilla.task.fault import Fault, Rule, pointer_to_path

_LARGEST = 2**31 - 1
"""Seconds, megabytes or pieces: beyond any machine, and the most that a column of the database takes."""

_UNREADABLE = 10**18

_WORD = {Rule.RESOURCES: "an amount", Rule.TIME: "a time"}


class _Amount(NamedTuple):
    place: tuple[str | int, ...]
    value: float | None
    rule: Rule
    may_be_zero: bool = False


def amount_faults(config: TaskConfig) -> Iterator[Fault]:
    """A fault for each amount that is negative, zero where that means nothing, endless, or beyond any machine."""
    for place, value, rule, may_be_zero in _amounts(config):
        if value is None or (0 <= value <= _LARGEST and (value or may_be_zero)):
            continue  # NaN fails every comparison, and so comes past this
        least = "not below zero" if may_be_zero else "above zero"
        yield Fault(
            pointer=pointer_to_path(TASK_TOML, *place),
            message=f"{_shown(value)} is not {_WORD[rule]} that a machine can give.",
            mend=f"Give a number {least} and below 2^31, or leave it out.",
            rule=rule,
        )


def _amounts(config: TaskConfig) -> Iterator[_Amount]:
    yield from _of_environment(config.environment, "environment")
    yield _Amount(("agent", "timeout_sec"), config.agent.timeout_sec, Rule.TIME)
    yield from _of_verifier(config.verifier, "verifier")
    for index, step in enumerate(config.steps or []):
        yield _Amount(("steps", index, "agent", "timeout_sec"), step.agent.timeout_sec, Rule.TIME)
        yield from _of_verifier(step.verifier, "steps", index, "verifier")
        yield from _of_healthcheck(step.healthcheck, "steps", index, "healthcheck")


def _of_environment(environment: Environment, *place: str | int) -> Iterator[_Amount]:
    for name in ("cpus", "memory_mb", "storage_mb", "gpus"):
        written = name if name in environment.model_fields_set else name.removesuffix("_mb")
        yield _Amount((*place, written), getattr(environment, name), Rule.RESOURCES, may_be_zero=name == "gpus")
    yield _Amount((*place, "build_timeout_sec"), environment.build_timeout_sec, Rule.TIME)
    yield from _of_healthcheck(environment.healthcheck, *place, "healthcheck")


def _of_verifier(verifier: Verifier, *place: str | int) -> Iterator[_Amount]:
    yield _Amount((*place, "timeout_sec"), verifier.timeout_sec, Rule.TIME)
    for index, hook in enumerate(verifier.collect):
        yield _Amount((*place, "collect", index, "timeout_sec"), hook.timeout_sec, Rule.TIME)
    if verifier.environment is not None:
        yield from _of_environment(verifier.environment, *place, "environment")


def _of_healthcheck(check: Healthcheck | None, *place: str | int) -> Iterator[_Amount]:
    if check is None:
        return
    yield _Amount((*place, "timeout_sec"), check.timeout_sec, Rule.TIME)
    for name in ("interval_sec", "start_period_sec", "start_interval_sec", "retries"):
        yield _Amount((*place, name), getattr(check, name), Rule.TIME, may_be_zero=True)


def _shown(value: float) -> str:
    # TOML sets no end to whole numbers, and Python refuses to print the longest.
    return "A number of such length" if isinstance(value, int) and abs(value) >= _UNREADABLE else str(value)
