"""A worker that sends itself a signal at the n-th line of its publish path, or at the first one of a function.

The path goes from the trial's end to the slot's.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar

from flotilla import dispatch, queue
from flotilla.settings import read
from flotilla.store import dispatching, endings, logs
from worker_agent import assignment, patience, publication, receiving, redaction, roster, shipping, trial_place, worker
from worker_agent.settings import WorkerSettings
from worker_agent.trial_processes import Order, TrialProcess, TrialProcesses

_MODULES = (
    assignment, patience, publication, receiving, redaction, roster, shipping, trial_place,
    endings, logs, dispatching, dispatch, queue,
)  # fmt: skip
FILES = frozenset(str(module.__file__) for module in _MODULES)
BEGIN = assignment.Assignment._published.__code__
END = roster.Roster.done.__code__
LEAVE = "tests.worker_agent.errands:leave"
_TOOL = 4  # one of those that no debugger or profiler takes


class Interruption:
    """Counts the lines of the publish path in all threads; sends the signal at the given one, or at the end."""

    def __init__(self, *, at: int | str | None, number: int, report: Path) -> None:
        self._at = at
        self._number = number
        self._report = report
        self._begun = False
        self._count = itertools.count(1)

    def arm(self) -> None:
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(_TOOL, "interruption")
        sys.monitoring.register_callback(_TOOL, events.PY_START, self._start)
        sys.monitoring.register_callback(_TOOL, events.PY_RETURN, self._return)
        sys.monitoring.register_callback(_TOOL, events.LINE, self._line)
        sys.monitoring.set_events(_TOOL, events.PY_START | events.PY_RETURN | events.LINE)

    def _start(self, code: CodeType, _offset: int) -> Any:
        if code is not BEGIN:
            return sys.monitoring.DISABLE
        self._begun = True
        return None

    def _line(self, code: CodeType, line: int) -> Any:
        if code.co_filename not in FILES:
            return sys.monitoring.DISABLE
        if self._begun and self._at in ((count := next(self._count)), code.co_qualname):
            self._interrupt(f"{count} {Path(code.co_filename).name}:{line} {code.co_qualname}")
        return None

    def _return(self, code: CodeType, _offset: int, _value: object) -> Any:
        if code is not END:
            return sys.monitoring.DISABLE
        if self._begun:
            self._interrupt(f"{next(self._count)} end")
        return None

    def _interrupt(self, where: str) -> None:
        sys.monitoring.set_events(_TOOL, 0)
        self._report.write_text(where, encoding="utf-8")
        os.kill(os.getpid(), self._number)


class Prefabricated(TrialProcesses):
    """Trial processes that leave, at once, what a real trial has left before: for points where only that matters."""

    left: ClassVar[str]

    @classmethod
    async def open(
        cls, *, scratch: Path, modules: Sequence[str], environment: Mapping[str, str], **_: object
    ) -> TrialProcesses:
        needed = [module for module in modules if not module.startswith(("harbor", "worker_agent"))]
        return await super().open(scratch=scratch, modules=needed, environment=environment)

    async def start(self, order: Order) -> TrialProcess:
        place = Path(order.arguments["trials"], order.arguments["name"])
        return await super().start(replace(order, entry=LEAVE, arguments={"left": self.left, "place": str(place)}))


def work(*, at: int | str | None, number: int, report: str, left: str | None) -> int:
    """An order's entry: one worker with the environment of this process."""
    if left is not None:
        Prefabricated.left = left
        setattr(worker, "TrialProcesses", Prefabricated)  # noqa: B010 - a type checker would not have it otherwise
    Interruption(at=at, number=number, report=Path(report)).arm()
    asyncio.run(worker.work(read(os.environ, WorkerSettings)))
    return 0
