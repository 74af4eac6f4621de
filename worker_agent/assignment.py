"""One run in one slot: its trial is started, watched, judged, published, and its ending written."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from flotilla.causes import Cause
from flotilla.messages import Message
from flotilla.states import RunState, TrialState
from flotilla.store.endings import Ending, LeaseLost, finish
from flotilla.store.leases import Claimed
from flotilla.store.logs import Shipped, record_shipped
from worker_agent.equipment import Equipment
from worker_agent.publication import publish
from worker_agent.redaction import Redactor
from worker_agent.sandbox.leftovers import remove_scratch
from worker_agent.secret_values import SecretMissing
from worker_agent.shipping import TrialLogs
from worker_agent.trial_order import checked_task, longest_seconds, place_order
from worker_agent.trial_processes import TrialProcess
from worker_agent.verdict import Remains, Stopped, judge

STOP_SECONDS = 30.0  # what Harbor gets to take an environment down before its process is killed
FIRST_PAUSE_SECONDS = 1.0  # before a publication that failed is tried again; doubled up to the longest
LONGEST_PAUSE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Assignment:
    """A claimed run that this worker carries out. It ends with a written ending, or with its lease lost."""

    def __init__(self, run: Claimed, *, message: Message, equipment: Equipment) -> None:
        self.run = run
        self.message = message
        self._equipment = equipment
        self._scratch = equipment.scratch_of(run.trial_name)
        self._local = self._scratch / "trials" / run.trial_name
        self._shared = equipment.layout.trial(run.job_id, run.number, run.trial_name)
        self._stopped: Stopped | None = None
        self._stop_asked = asyncio.Event()
        self._redactor = Redactor(())
        self._logs: TrialLogs | None = None
        self._shipping = asyncio.Lock()

    async def carry_out(self) -> RunState | None:
        """Runs the trial and writes its ending; returns the run's new state, None if the run was no longer ours."""
        try:
            ending = await self._ending()
            return await self._publish(ending)
        except LeaseLost as lost:
            _log.warning("%s: %s; what it shipped stays as evidence", self.run.trial_name, lost)
            return None
        finally:
            await self._equipment.threads.files(self._clear_away)

    def stop(self, reason: Stopped) -> None:
        """Ends the trial early; the first reason counts, but a lost lease overrides it."""
        if self._stopped is None or reason is Stopped.LEASE_LOST:
            self._stopped = reason
        self._stop_asked.set()

    async def ship(self, *, final: bool = False) -> Shipped | None:
        """Ships what the logs grew by, redacted; None if they did not grow."""
        logs = self._logs
        if logs is None:
            return None
        async with self._shipping:
            grown = await self._equipment.threads.files(lambda: logs.ship(final=final))
        return Shipped(trial_id=self.run.lease.trial_id, streams=grown) if grown else None

    async def _ending(self) -> Ending:
        try:
            process = await self._start()
        except SecretMissing as fault:
            return _not_started(Cause.SECRET_MISSING, fault)
        except OSError as fault:
            return _not_started(Cause.HOST_RESOURCE, fault)
        code = await self._ended(process)
        remains = Remains(
            exit_code=code,
            outcome=self._scratch / "outcome.json",
            directory=self._local,
            process_log=self._scratch / "process.log",
            stopped=self._stopped,
        )
        return self._redacted(await self._equipment.threads.files(lambda: judge(remains)))

    async def _start(self) -> TrialProcess:
        run, equipment = self.run, self._equipment
        secrets = equipment.secret_values.select(run.secrets)
        self._redactor = Redactor(secrets.values())
        task_directory = await equipment.bundles.task(run)
        order = place_order(
            run,
            scratch=self._scratch,
            task_directory=task_directory,
            variables=equipment.trial_variables,
            secrets=secrets,
            environment=equipment.environment_of(run, self._scratch),
            build_patience=equipment.build_patience,
        )
        self._logs = TrialLogs(local=self._local, shared=self._shared, agent=run.agent_name, redactor=self._redactor)
        return await equipment.processes.start(order)

    async def _ended(self, process: TrialProcess) -> int:
        """Waits for the process: its longest time, then one SIGTERM, then SIGKILL. Returns its exit code."""
        stop = asyncio.create_task(self._stop_asked.wait())
        longest = longest_seconds(checked_task(self.run), build_patience=self._equipment.build_patience)
        either: set[asyncio.Future[Any]] = {process.ended, stop}
        await asyncio.wait(either, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not process.ended.done():
            self.stop(Stopped.TIME_LIMIT)
            process.terminate()
            await asyncio.wait({process.ended}, timeout=STOP_SECONDS)
        if not process.ended.done():
            process.kill()
        return await process.ended

    async def _publish(self, ending: Ending) -> RunState | None:
        """Files first, then the fenced ending; each again and again until it succeeds or the lease is lost."""
        shipped = await self._insist(lambda: self.ship(final=True))
        if self._logs is not None and self._local.is_dir():
            done = self._logs.shipped
            publication = lambda: publish(self._local, self._shared, redactor=self._redactor, shipped=done)  # noqa: E731
            await self._insist(lambda: self._equipment.threads.files(publication))
        state = await self._insist(lambda: self._equipment.threads.database(lambda c: self._write(c, ending, shipped)))
        _log.info("%s: %s %s", self.run.trial_name, ending.state, ending.cause or "")
        return state

    def _write(self, connection: Connection, ending: Ending, shipped: Shipped | None) -> RunState | None:
        if shipped is not None:
            record_shipped(connection, [shipped])
        lease = self.run.lease
        return finish(connection, run_id=lease.run_id, token=lease.token, trial_id=lease.trial_id, ending=ending)

    async def _insist[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Does it until the file system or the database takes it. Raises LeaseLost once that happened meanwhile."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            if self._stopped is Stopped.LEASE_LOST:
                raise LeaseLost(f"run {self.run.lease.run_id} was taken back before its ending was written")
            try:
                return await work()
            except (OSError, SQLAlchemyError) as fault:
                _log.warning("%s: not published yet, next try in %.0f s: %s", self.run.trial_name, pause, fault)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _clear_away(self) -> None:
        if self._logs is not None:
            self._logs.close()
        remove_scratch(self._scratch)

    def _redacted(self, ending: Ending) -> Ending:
        return ending.mapped(lambda words: self._redactor.whole(words.encode()).decode(errors="replace"))


def _not_started(cause: Cause, fault: Exception) -> Ending:
    return Ending(state=TrialState.ERRORED, cause=cause, exception=type(fault).__name__, message=str(fault))
