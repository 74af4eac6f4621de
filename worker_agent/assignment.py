"""One run in one slot: its trial is started, watched, judged, published, and its ending written."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from flotilla.causes import Cause
from flotilla.messages import Message
from flotilla.states import RunState, TrialState
from flotilla.store.endings import Ending, LeaseLost, finish
from flotilla.store.leases import Claimed
from flotilla.store.logs import Shipped, record_shipped
from worker_agent import pressure
from worker_agent.bounds import Bounds, Excess
from worker_agent.equipment import Equipment
from worker_agent.health.room import is_full, measure
from worker_agent.janitor import remove_trial_objects
from worker_agent.patience import Patience
from worker_agent.redaction import Redactor
from worker_agent.secret_values import SecretMissing
from worker_agent.shipping import TrialLogs
from worker_agent.trial import CANCELLED_EXIT
from worker_agent.trial_order import checked_task, longest_seconds, place_order
from worker_agent.trial_place import TrialPlace
from worker_agent.trial_processes import NurseryDied, TrialProcess
from worker_agent.unjudged import errored, unpublished
from worker_agent.verdict import Remains, Stopped, judge

TIDY_EXITS = (None, 0, CANCELLED_EXIT)  # Harbor took the environment down, or there was none
STOP_SECONDS = 30.0  # what Harbor gets to take an environment down before its process is killed
PUBLISH_SECONDS = 900.0  # for a finished trial's files; then the run is given to a worker whose file system answers
EVIDENCE_SECONDS = 10.0  # for the last lines of a trial whose lease was lost
# A worker that has to leave may have forty seconds. Counted from when it says so:
LEAVING_STOP_SECONDS = 10.0  # until a trial's process is killed
LEAVING_PUBLISH_SECONDS = 25.0  # until a finished trial whose files are not out is given back
LEAVING_WRITE_SECONDS = 35.0  # until the ending is left to the lease's running out

_log = logging.getLogger(__name__)


class _StoppedAtTheStart(Exception):
    """It was stopped before it had a process."""


class Assignment:
    """A claimed run that this worker carries out. It ends with a written ending, or with its lease lost."""

    def __init__(self, run: Claimed, *, message: Message, equipment: Equipment, never_fits: str | None = None) -> None:
        self.run = run
        self.message = message
        self.holds_message = True
        """Whether its message must stay hidden from others."""
        self._is_tidy = True
        self.ending: Ending | None = None
        """How the trial itself ended, once it has, whatever becomes of its files."""
        self._equipment = equipment
        shared = equipment.layout.trial(run.job_id, run.number, run.trial_name)
        self.place = TrialPlace(scratch=equipment.scratch_of(run.trial_name), name=run.trial_name, shared=shared)
        self.bounds = Bounds.of(checked_task(run), equipment.settings)
        self._never_fits = never_fits
        self._stopped: Stopped | None = None
        self._excess: Excess | None = None
        self._leaving = False
        self._stop_asked = asyncio.Event()
        self._redactor = Redactor(())
        self._logs: TrialLogs | None = None
        self._process: TrialProcess | None = None
        self._sizes: Shipped | None = None
        self._stopping, self._publishing, self._writing = Patience(), Patience(), Patience()

    @property
    def has_trial(self) -> bool:
        """Whether the trial's process was started."""
        return self._process is not None

    async def carry_out(self) -> RunState | None:
        """Runs the trial and writes its ending; returns the run's new state, None if the run was no longer ours."""
        try:
            begin = pressure.read()
            ending = await self._ending()
            limit = self._equipment.settings.contended_stall
            self.ending = replace(ending, conditions=pressure.conditions(begin, pressure.read(), limit=limit))
            return await self._write(await self._published(self.ending))
        except LeaseLost as lost:
            _log.warning("%s: %s; what it shipped stays as evidence", self.run.trial_name, lost)
        except TimeoutError:
            _log.warning("%s: its ending is not written; its lease runs out", self.run.trial_name)
        return None

    def stop(self, reason: Stopped) -> None:
        """Ends the trial early; the first reason counts, but a lost lease overrides it."""
        if self._stopped is None or reason is Stopped.LEASE_LOST:
            self._stopped = reason
        if reason is Stopped.PREEMPTED:
            self._leaving = True
            self._stopping.end_in(LEAVING_STOP_SECONDS)
            self._publishing.end_in(LEAVING_PUBLISH_SECONDS)
            self._writing.end_in(LEAVING_WRITE_SECONDS)
        if reason is Stopped.LEASE_LOST:
            self._publishing.end_in(0)
        self._stop_asked.set()

    def exceed(self, excess: Excess) -> None:
        """Ends the trial for what it used up; the first excess counts."""
        self._excess = self._excess or excess
        self.stop(Stopped.LIMIT)

    @property
    def logs_are_at_rest(self) -> bool:
        """Whether a round of shipping would do nothing for it now; asked in a thread for files."""
        return self._logs is None or self._logs.is_at_rest

    async def ship(self, *, final: bool = False) -> Shipped | None:
        """Ships what the logs grew by, redacted; None if they did not grow."""
        logs = self._logs
        if logs is None:
            return None
        grown = await self._equipment.threads.files(lambda: logs.ship(final=final))
        return Shipped(trial_id=self.run.lease.trial_id, streams=grown) if grown else None

    async def clear_away(self) -> None:
        """Removes the trial's scratch, and its containers if its process did not end as it should have.

        What cannot be removed is left to the janitor.
        """
        if not self._is_tidy:
            await remove_trial_objects(self._equipment.chosen, self.run.trial_name)
        try:
            await self._equipment.threads.files(self._remove_scratch)
        except OSError as fault:
            _log.warning("%s: its scratch was not removed: %s", self.run.trial_name, fault)

    async def _ending(self) -> Ending:
        if self._never_fits is not None:
            return Ending(state=TrialState.ERRORED, cause=Cause.NEVER_FITS, message=self._never_fits)
        try:
            return await self._judged(await self._exit_code())
        except SecretMissing as fault:
            return errored(Cause.SECRET_MISSING, fault)
        except OSError as fault:
            return errored(Cause.HOST_RESOURCE, fault)
        except NurseryDied:
            raise
        except Exception as fault:  # ours, and this run's alone: it costs an infrastructure ending
            _log.exception("%s", self.run.trial_name)
            if self._process is not None:
                self._process.kill()
            return errored(Cause.HARNESS, fault)

    async def _exit_code(self) -> int | None:
        """Of the trial's process; None if it was stopped before it had one."""
        try:
            self._process = await self._start()
        except _StoppedAtTheStart:
            return None
        self._is_tidy = False
        return await self._ended(self._process)

    async def _judged(self, exit_code: int | None) -> Ending:
        self._is_tidy = exit_code in TIDY_EXITS
        return self._redacted(await self._equipment.threads.files(lambda: judge(self._remains(exit_code))))

    def _remains(self, exit_code: int | None) -> Remains:
        return Remains(
            exit_code=exit_code,
            outcome=self.place.outcome,
            directory=self.place.local,
            process_log=self.place.process_log,
            stopped=self._stopped,
            excess=self._excess,
            notes=self.place.notes,
            disk_full=is_full(measure(self.place.scratch)),
        )

    async def _start(self) -> TrialProcess:
        run, equipment = self.run, self._equipment
        # The trial has a row: from now on it has a place for its evidence too, whatever becomes of us.
        await self._unless_stopped(equipment.threads.files(self.place.make_shared))
        secrets = await self._unless_stopped(
            equipment.threads.secrets(lambda: equipment.secret_values.select(run.secrets))
        )
        self._redactor = Redactor(secrets.values())
        task_directory = await self._unless_stopped(equipment.bundles.task(run))
        if checked_task(run).uses_compose:
            task_directory = await self._unless_stopped(
                equipment.threads.files(lambda: self.place.own_task(task_directory))
            )
        order = place_order(
            run,
            scratch=self.place.scratch,
            task_directory=task_directory,
            variables=equipment.trial_variables,
            secrets=secrets,
            environment=equipment.environment_of(run, self.place.scratch),
            build_patience=equipment.build_patience,
            niceness=equipment.chosen.niceness,
        )
        most = equipment.settings.log_mb << 20
        self._logs = self.place.logs(agent=run.agent_name, redactor=self._redactor, most_bytes=most)
        return await equipment.processes.start(order)

    async def _unless_stopped[T](self, work: Awaitable[T]) -> T:
        """The work's result; a stop does not wait for a file system that does not answer."""
        doing, stop = asyncio.ensure_future(work), asyncio.create_task(self._stop_asked.wait())
        await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
        if self._stop_asked.is_set():
            doing.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise _StoppedAtTheStart
        stop.cancel()
        return doing.result()

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
            self._stopping.end_in(STOP_SECONDS)
            await self._stopping.wait(process.ended)
        process.kill()
        return await process.ended

    async def _published(self, ending: Ending) -> Ending:
        """Puts the files out; the ending to write then. Raises LeaseLost if that happened before they were."""
        self._publishing.end_in(PUBLISH_SECONDS)
        try:
            await self._publishing.insist(self._put_out, what=self.run.trial_name)
        except TimeoutError:
            if self._stopped is Stopped.LEASE_LOST:
                await self._leave_evidence()
                raise LeaseLost("its run was taken back before its files were out") from None
            return unpublished(ending, leaving=self._leaving, seconds=PUBLISH_SECONDS)
        except Exception as fault:  # ours, and this run's alone
            _log.exception("%s", self.run.trial_name)
            return errored(Cause.HARNESS, fault, conditions=ending.conditions)
        return ending

    async def _put_out(self) -> None:
        """The logs, then every other file, `result.json` last."""
        self._sizes = await self.ship(final=True)
        if self._logs is not None and self.place.local.is_dir():
            done = self._logs.shipped
            await self._equipment.threads.files(
                lambda: self.place.put_out(redactor=self._redactor, shipped=done, most=self.bounds.output)
            )

    async def _leave_evidence(self) -> None:
        """The last lines of a trial that counts no more; its result is not put out."""
        try:
            async with asyncio.timeout(EVIDENCE_SECONDS):
                await self.ship(final=True)
        except OSError as fault:  # a TimeoutError is one
            _log.warning("%s: its last lines are lost: %s", self.run.trial_name, fault)

    async def _write(self, ending: Ending) -> RunState | None:
        """The fenced ending, until the database takes it or says that the run is no longer ours."""
        self.holds_message = self.holds_message and ending.state is TrialState.GRADED  # else it may be given back
        # Sizes and ending apart: together they would lock the trial's row before its run's, which others lock first.
        await self._insist_on_writing(self._write_sizes)
        try:
            state = await self._insist_on_writing(lambda connection: self._finish(connection, ending))
        except (DataError, ValueError) as fault:  # what is refused once is refused always
            _log.exception("%s", self.run.trial_name)
            ending = errored(Cause.HARNESS, fault, conditions=ending.conditions)
            state = await self._insist_on_writing(lambda connection: self._finish(connection, ending))
        _log.info("%s: %s %s", self.run.trial_name, ending.state, ending.cause or "")
        return state

    async def _insist_on_writing[T](self, write: Callable[[Connection], T]) -> T:
        database = self._equipment.threads.database
        return await self._writing.insist(lambda: database(write), what=self.run.trial_name)

    def _write_sizes(self, connection: Connection) -> None:
        if self._sizes is not None:
            record_shipped(connection, [self._sizes])

    def _finish(self, connection: Connection, ending: Ending) -> RunState | None:
        lease = self.run.lease
        return finish(connection, run_id=lease.run_id, token=lease.token, trial_id=lease.trial_id, ending=ending)

    def _remove_scratch(self) -> None:
        if self._logs is not None:
            self._logs.close()
        self.place.remove_scratch()

    def _redacted(self, ending: Ending) -> Ending:
        return ending.mapped(
            lambda words: self._redactor.whole(words.encode(errors="replace")).decode(errors="replace")
        )
