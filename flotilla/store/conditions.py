"""What a trial ran under: what its host had promised when it began, and how long the host stood still meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Of the resources that a task can declare; sizes in megabytes, 0 where a task declares nothing."""

    cpus: float | None = None
    memory_mb: float | None = None
    storage_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overcommit:
    """How many times over its host could promise what it has."""

    cpus: float | None = None
    memory: float | None = None
    storage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """Shares of the trial's life, 0 to 1: some process waited for a CPU, or all of them for memory or for I/O."""

    cpu: float | None = None
    memory: float | None = None
    io: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the task declared, what its host had and had promised, how often over, and how much it stood still.

    `stalled` and `contended` are known once the trial has ended, on a kernel that counts stalls; `contended` if one of
    them passed the worker's limit, so that its times and its result deserve a second look.
    """

    declared: Amounts | None = None
    host: Amounts | None = None
    promised: Amounts | None = None
    overcommit: Overcommit | None = None
    stalled: Stalled | None = None
    contended: bool | None = None


_CONDITIONS = TypeAdapter(Conditions)


def conditions_of(document: Mapping[str, Any] | None) -> Conditions | None:
    """As a trial's row holds them; what it does not say is unknown."""
    return None if document is None else _CONDITIONS.validate_python(document)
