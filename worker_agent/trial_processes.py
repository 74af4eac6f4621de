"""The supervisor's side of the nursery: starts trial processes, tells when they end, stops them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_SECONDS = 60.0  # importing Harbor takes half a second; a cold disk has taken longer


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


class TrialProcesses:
    """Every trial process of this worker, behind one nursery."""

    def __init__(self, nursery: asyncio.subprocess.Process) -> None:
        self._nursery = nursery
        self._closing = False
        self._births: dict[str, asyncio.Future[int]] = {}
        self._ends: dict[str, asyncio.Future[int]] = {}

    @classmethod
    async def open(cls, *, scratch: Path, modules: Sequence[str], environment: Mapping[str, str]) -> "TrialProcesses":
        """Starts the nursery with these modules imported. Must be called from the main thread, whose end is its end."""
        nursery = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker_agent.nursery",
            "--scratch",
            str(scratch),
            *modules,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=dict(environment),
        )
        assert nursery.stdout is not None  # noqa: S101 - asked for above
        line = await asyncio.wait_for(nursery.stdout.readline(), READY_SECONDS)
        if b"ready" not in line:
            raise NurseryDied("the fork server did not start: its traceback is above in this log")
        return cls(nursery)

    @property
    def pid(self) -> int:
        """The nursery's process id."""
        return self._nursery.pid

    async def start(self, order: Order) -> TrialProcess:
        """Forks one trial process. Raises OSError if the host has no room for another one."""
        loop = asyncio.get_running_loop()
        birth = self._births[order.id] = loop.create_future()
        ended = self._ends[order.id] = loop.create_future()
        stdin = self._nursery.stdin
        if stdin is None or stdin.is_closing():
            raise NurseryDied("the fork server is gone")
        words = {
            "id": order.id,
            "entry": order.entry,
            "arguments": dict(order.arguments),
            "environment": dict(order.environment),
            "log": str(order.log),
        }
        stdin.write((json.dumps(words) + "\n").encode())
        return TrialProcess(id=order.id, pid=await birth, ended=ended)

    async def watch(self) -> None:
        """Passes the nursery's reports on until it ends. Raises NurseryDied if that was not asked for by `close`."""
        assert self._nursery.stdout is not None  # noqa: S101 - asked for in `open`
        async for line in self._nursery.stdout:
            report = json.loads(line)
            if "pid" in report:
                self._births.pop(report["id"]).set_result(report["pid"])
            elif "fault" in report:
                del self._ends[report["id"]]
                self._births.pop(report["id"]).set_exception(OSError(f"no process could be made: {report['fault']}"))
            elif "code" in report:
                self._ends.pop(report["id"]).set_result(report["code"])
        death = NurseryDied("the fork server ended, and its trials with it")
        for future in (*self._births.values(), *self._ends.values()):
            future.set_exception(death)
        if not self._closing:
            raise death

    async def close(self) -> None:
        """Ends every trial process and the nursery."""
        self._closing = True
        if self._nursery.stdin is not None:
            self._nursery.stdin.close()
        await self._nursery.wait()
