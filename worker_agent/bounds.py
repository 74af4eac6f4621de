"""What one trial may use up of its host, what it uses, and the verdict on the two."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from flotilla.causes import Cause
from flotilla.task import CheckedTask
from worker_agent.settings import WorkerSettings

MEGABYTE = 1 << 20
MOST_FILES = 1_000_000
"""Files of an environment: ten times a large image's, and little for the file system of a host."""
MOST_OUTPUT_FILES = 20_000
"""Logs and artifacts: each is a file of the shared file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Bytes and files on a disk."""

    bytes: int = 0
    files: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(bytes=self.bytes + other.bytes, files=self.files + other.files)

    def is_past(self, most: "Amount") -> bool:
        return self.bytes > most.bytes or self.files > most.files

    def __str__(self) -> str:
        return f"{self.bytes / MEGABYTE:,.0f} MB in {self.files:,} files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most that a trial may write into its environment, and into its logs and artifacts."""

    storage: Amount
    output: Amount

    @classmethod
    def of(cls, task: CheckedTask, settings: WorkerSettings) -> Self:
        """By what the task declares, else by what the worker's settings say."""
        return cls(
            storage=Amount(bytes=(task.storage_mb or settings.storage_mb) * MEGABYTE, files=MOST_FILES),
            output=Amount(bytes=settings.output_mb * MEGABYTE, files=MOST_OUTPUT_FILES),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a trial was seen to use; `crowded` names a limit of processes that it was at in two looks running."""

    storage: Amount = Amount()
    output: Amount = Amount()
    crowded: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """What a trial used up that it may not, in the words that its run shows."""

    exception: str
    cause: Cause
    message: str


def excess(usage: Usage, bounds: Bounds) -> Excess | None:
    """What of the usage is past its bound; None if nothing is."""
    if usage.crowded is not None:
        return _crowd(usage.crowded)
    if usage.output.is_past(bounds.output):
        return Excess(
            exception="OutputExceeded",
            cause=Cause.OUTPUT_EXCEEDED,
            message=f"the trial was ended: it left {usage.output} as logs and artifacts, the most is {bounds.output}. "
            "Let it write less to /logs, or raise FLOTILLA_OUTPUT_MB of the workers.",
        )
    if usage.storage.is_past(bounds.storage):
        return Excess(
            exception="StorageExceeded",
            cause=Cause.STORAGE_EXCEEDED,
            message=f"the trial was ended: it wrote {usage.storage} into its environment, the most is "
            f"{bounds.storage}. Let it write less, or state storage_mb in its task.toml.",
        )
    return None


def noted(notes: Mapping[str, object]) -> Excess | None:
    """What the trial's environment noted: whether the kernel refused it processes, or ended them for want of memory."""
    killed, most, full_at = notes.get("memory_kills"), notes.get("memory_mb"), notes.get("full_at")
    if isinstance(full_at, int):
        return _crowd(full_at)
    if not killed:
        return None
    return Excess(
        exception="MemoryExceeded",
        cause=Cause.MEMORY_EXCEEDED,
        message=f"the kernel ended {killed} of the trial's processes: all together needed more than its {most} MB of "
        "memory. Let it need less, or state memory_mb in its task.toml.",
    )


def _crowd(most: int) -> Excess:
    return Excess(
        exception="ProcessesExceeded",
        cause=Cause.PROCESSES_EXCEEDED,
        message=f"the trial had all {most:,} processes and threads that a container may have, and asked for more. "
        "Let it end what it starts, or raise FLOTILLA_PROCESSES of the workers.",
    )
