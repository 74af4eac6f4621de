"""The supervisor's side of the nurseries: starts trial processes, tells when they end, stops them."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_SECONDS = 60.0  # importing Harbor takes half a second; a cold disk has taken longer
MOST_TRIALS = 1_000  # of one nursery: what Harbor or a fork leaves behind in it does not add up for ever

_log = logging.getLogger(__name__)


class NurseryDied(Exception):
    """The fork server ended: no trial can be started or watched any more, so the worker must start anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a trial process is to do, with its whole environment (secrets included, which go nowhere else)."""

    id: str
    entry: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    niceness: int = 0


@dataclass(slots=True, kw_only=True)
class TrialProcess:
    """One running trial process; `ended` gives its exit code, negative for the signal that killed it."""

    id: str
    pid: int
    ended: asyncio.Future[int]

    def terminate(self) -> None:
        """Asks Harbor, once, to cancel the trial and take its environment down."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the process where it stands; its environment is left to the janitor."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.done():
            os.kill(self.pid, number)  # ours until the nursery reaps it, and it reports that


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How a nursery is made: whose it is, what it imports and goes through beforehand, its environment."""

    scratch: Path
    modules: Sequence[str]
    environment: Mapping[str, str]
    rehearsal: str | None = None


class Nursery:
    """One fork server, seen from the supervisor."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._retired = self._closing = False
        self._births: dict[str, asyncio.Future[int]] = {}
        self._ends: dict[str, asyncio.Future[int]] = {}
        self.forked = 0

    @classmethod
    async def open(cls, preparation: Preparation) -> "Nursery":
        """Starts one. Must be called from the main thread, whose end is its end. Raises NurseryDied or OSError."""
        rehearsal = ["--rehearsal", preparation.rehearsal] if preparation.rehearsal else []
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker_agent.nursery",
            "--scratch",
            str(preparation.scratch),
            *rehearsal,
            *preparation.modules,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=dict(preparation.environment),
        )
        try:
            await _ready(process)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self, order: Order) -> TrialProcess:
        """Forks one trial process. Raises OSError if the host has no room for another one."""
        loop = asyncio.get_running_loop()
        birth = self._births[order.id] = loop.create_future()
        ended = self._ends[order.id] = loop.create_future()
        self.forked += 1
        words = {
            "id": order.id,
            "entry": order.entry,
            "arguments": dict(order.arguments),
            "environment": dict(order.environment),
            "log": str(order.log),
            "niceness": order.niceness,
        }
        self._write(words)
        return TrialProcess(id=order.id, pid=await birth, ended=ended)

    async def watch(self) -> None:
        """Passes its reports on until it ends. Raises NurseryDied if nobody had asked it to."""
        assert self._process.stdout is not None  # noqa: S101 - asked for in `open`
        async for line in self._process.stdout:
            report = json.loads(line)
            if "pid" in report:
                self._births.pop(report["id"]).set_result(report["pid"])
            elif "fault" in report:
                del self._ends[report["id"]]
                self._births.pop(report["id"]).set_exception(OSError(f"no process could be made: {report['fault']}"))
            elif "code" in report:
                self._ends.pop(report["id"]).set_result(report["code"])
        death = NurseryDied("the fork server ended, and its trials with it")
        lost = [*self._births.values(), *self._ends.values()]
        for future in lost:
            future.set_exception(death)
        await self._process.wait()
        if not self._closing and (lost or not self._retired):
            raise death

    def retire(self) -> None:
        """It ends after its last trial."""
        self._retired = True
        with contextlib.suppress(NurseryDied):  # whoever watches it learns that
            self._write({"retire": True})

    async def close(self) -> None:
        """Ends every trial process of it, and it."""
        self._closing = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    def _write(self, words: Mapping[str, Any]) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            raise NurseryDied("the fork server is gone")
        stdin.write((json.dumps(words) + "\n").encode())


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None  # noqa: S101 - asked for by the caller
    try:
        line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
    except TimeoutError:
        raise NurseryDied(f"the fork server was not ready within {READY_SECONDS:.0f} s") from None
    if b"ready" not in line:
        raise NurseryDied("the fork server did not start: its traceback is above in this log")


class TrialProcesses:
    """Every trial process of this worker, behind one nursery that is replaced after so many trials.

    A replaced one ends after its last trial. What cannot be replaced goes on, and is tried again as many trials later.
    """

    def __init__(self, nursery: Nursery, *, preparation: Preparation, most_trials: int) -> None:
        self._current = nursery
        self._preparation = preparation
        self._most_trials = most_trials
        self._due = most_trials
        self._watches = {nursery: asyncio.create_task(nursery.watch())}
        self._changed = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        *,
        scratch: Path,
        modules: Sequence[str],
        environment: Mapping[str, str],
        rehearsal: str | None = None,
        most_trials: int = MOST_TRIALS,
    ) -> "TrialProcesses":
        """Starts a nursery with these modules imported. Must be called from the main thread, whose end is its end."""
        preparation = Preparation(scratch=scratch, modules=modules, environment=environment, rehearsal=rehearsal)
        return cls(await Nursery.open(preparation), preparation=preparation, most_trials=most_trials)

    @property
    def pid(self) -> int:
        """The process id of the nursery that takes orders now."""
        return self._current.pid

    async def start(self, order: Order) -> TrialProcess:
        """Forks one trial process. Raises OSError if the host has no room for another one."""
        if self._current.forked >= self._due and self._replacing is None:
            self._replacing = asyncio.create_task(self._replace())
        return await self._current.start(order)

    async def watch(self) -> None:
        """Returns when all nurseries have ended. Raises NurseryDied if that was asked of none of them."""
        while self._watches:
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait({changed, *self._watches.values()}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            self._changed.clear()
            for nursery, watch in list(self._watches.items()):
                if watch.done():
                    del self._watches[nursery]
                    watch.result()

    async def close(self) -> None:
        """Ends every trial process and the nurseries."""
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        await asyncio.gather(self._current.close(), *(nursery.close() for nursery in self._watches))

    async def _replace(self) -> None:
        former = self._current
        try:
            successor = await Nursery.open(self._preparation)
        except (NurseryDied, OSError) as fault:
            _log.warning("the fork server goes on beyond its %d trials: %s", former.forked, fault)
            self._due = former.forked + self._most_trials
        else:
            self._watches[successor] = asyncio.create_task(successor.watch())
            self._changed.set()
            self._current, self._due = successor, self._most_trials
            former.retire()
            _log.info("a new fork server has taken over after %d trials", former.forked)
        self._replacing = None
