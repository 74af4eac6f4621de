"""Notes of a trial's environment on what the kernel ended or refused it, for its log and its verdict."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from worker_agent.control_group import ControlGroup

KILLED = 137
"""The exit code of a command that the kernel ended, as shells and engines tell it."""


class LimitNotes:
    """Kept in a file beside the trial's outcome: the control groups are gone when the verdict is made."""

    def __init__(self, file: Path | None, *, memory_mb: int | None, logger: logging.Logger) -> None:
        self._file = file
        self._memory_mb = memory_mb
        self._logger = logger
        self._noted: dict[str, int | None] = {}

    def look(self, groups: Iterable[ControlGroup]) -> None:
        """Note what has befallen the processes of these groups since the last look."""
        seen = list(groups)
        killed = sum(group.memory_kills() for group in seen)
        refused = [group.most_processes() for group in seen if group.refusals()]
        found = {"memory_kills": killed, "memory_mb": self._memory_mb, "full_at": refused[0] if refused else None}
        if found == self._noted or not (killed or refused):
            return
        if killed != self._noted.get("memory_kills", 0):
            self._logger.warning(
                f"The kernel has ended {killed} of the task's processes: together they needed more than "
                f"{self._memory_mb} MB of memory."
            )
        if refused and not self._noted.get("full_at"):
            self._logger.warning(f"The kernel refused the task a process: it had all {refused[0]} that it may have.")
        self._noted = found
        if self._file is not None:
            self._file.write_text(json.dumps(found))
