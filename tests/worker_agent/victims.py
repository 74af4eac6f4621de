"""Workers that are going to interrupt themselves, forked from a process that has everything imported."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.worker_agent.workplace import Workplace
from worker_agent.trial_processes import Order, TrialProcess, TrialProcesses

AT_ONCE = 5
PRELOADED = ["tests.worker_agent.interruption"]


class Victims:
    """At most so many at a time; each has one slot, and the environment of any worker."""

    def __init__(self, workplace: Workplace, forge: TrialProcesses) -> None:
        self._workplace = workplace
        self._forge = forge
        self._room = asyncio.Semaphore(AT_ONCE)

    async def run(self, name: str, *, at: int | None = None, left: Path | None = None) -> str:
        """One worker until it has killed itself; tells where that was."""
        async with self._room:
            victim = await self.start(name, at=at, number=signal.SIGKILL, left=left)
            code = await victim.ended
        assert code == -signal.SIGKILL, self._workplace.log_of(name).read_text()
        return await asyncio.to_thread(self.report(name).read_text)

    async def start(
        self, name: str, *, at: int | str | None, number: signal.Signals, left: Path | None = None
    ) -> TrialProcess:
        """A worker that sends itself this signal at that point; `left` is what its trials leave instead of Harbor's."""
        arguments = {"at": at, "number": number, "report": str(self.report(name)), "left": left and str(left)}
        order = Order(
            id=name,
            entry="tests.worker_agent.interruption:work",
            arguments=arguments,
            environment=self._workplace.variables(name, slots=1),
            log=self._workplace.log_of(name),
        )
        return await self._forge.start(order)

    def report(self, name: str) -> Path:
        return self._workplace.place / f"{name}.point"


def with_victims[T](workplace: Workplace, work: Callable[[Victims], Awaitable[T]]) -> T:
    """Does the work with victims; those that are left end with it."""

    async def run() -> T:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
        forge = await TrialProcesses.open(scratch=workplace.place / "forge", modules=PRELOADED, environment=environment)
        watch = asyncio.create_task(forge.watch())
        try:
            return await work(Victims(workplace, forge))
        finally:
            await forge.close()
            await watch

    return asyncio.run(run())
