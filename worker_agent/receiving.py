"""The receive loop of one queue: reserve slots, wait for messages, claim their runs, carry them out."""

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError

from flotilla.ids import new_trial_name
from flotilla.messages import Message
from flotilla.queue import QueueUnavailable, Received
from flotilla.states import TERMINAL, Priority, RunState
from flotilla.store.leases import Claimed, Refusal, Refused, claim
from flotilla.store.room import Declared, declared, wait_for_room
from worker_agent.admission import NOTHING, Admitted, Turned
from worker_agent.assignment import Assignment
from worker_agent.equipment import Equipment
from worker_agent.gathering import Gathering
from worker_agent.recovery import Recovery
from worker_agent.roster import Roster
from worker_agent.slots import Reservation, Slots

PAUSE_SECONDS = 2.0  # after a queue or a database that does not answer, or messages that there was no room for
ROOM_LEASES = (1 / 6, 2 / 3)  # 15 to 60 s, by the lease: so long a message is hidden whose run does not fit now

_log = logging.getLogger(__name__)


class Receiver:
    """Receives from one queue until told to stop. A failing run ends inside its own task."""

    def __init__(
        self, priority: Priority, *, equipment: Equipment, slots: Slots, roster: Roster, recovery: Recovery
    ) -> None:
        self._priority = priority
        self._equipment = equipment
        self._slots = slots
        self._roster = roster
        self._recovery = recovery
        self._tasks: set[asyncio.Task[None]] = set()
        self._deletions = Gathering(self._delete_all)
        self._hidings = Gathering(self._hide_all)
        self._sendings = Gathering(self._send_all)

    async def run(self, stop: asyncio.Event) -> None:
        """Ends once `stop` is set and the poll under way has returned.

        What a poll brings after a stop, or after the slots were closed, is given back.
        """
        while not stop.is_set():
            reservation = await _unless_stopped(self._slots.reserve(self._priority), stop)
            if reservation is None:
                return
            received = await self._receive(reservation, stop)
            await self._slots.settle(reservation, used=len(received.messages))
            needs = await self._declared(received.messages)
            turned = 0
            for message in received.messages:
                wanted = self._slots.still_stands(reservation) and not stop.is_set()
                admission, need = self._equipment.admission, needs.get(message.run_id, NOTHING)
                answer = admission.admit(message.run_id, need) if wanted else None
                turned += isinstance(answer, Turned)
                task = asyncio.create_task(self._handle(message, reservation, answer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if turned and turned == len(received.messages):
                await _unless_stopped(asyncio.sleep(PAUSE_SECONDS), stop)

    async def _receive(self, reservation: Reservation, stop: asyncio.Event) -> Received:
        poll = self._equipment.threads.receive(
            lambda: self._equipment.queue.receive(
                self._priority,
                most=reservation.slots,
                wait_seconds=reservation.wait_seconds,
                visibility_seconds=round(self._equipment.settings.lease_seconds),
            )
        )
        try:
            received = await poll
        except QueueUnavailable as fault:
            _log.warning("%s", fault)
            await _unless_stopped(asyncio.sleep(PAUSE_SECONDS), stop)
            return Received(messages=(), unreadable=())
        for unreadable in received.unreadable:  # it stays, and ends in the dead-letter queue
            _log.error("message %s cannot be read: %s", unreadable.message_id, unreadable.fault)
        return received

    async def _declared(self, messages: Sequence[Message]) -> Mapping[str, Declared]:
        """What their tasks declare. Nothing of it is known while the database is away; nor is anything claimed then."""
        run_ids = [message.run_id for message in messages]
        if not run_ids:
            return {}
        try:
            return await self._equipment.threads.reading(lambda connection: declared(connection, run_ids=run_ids))
        except SQLAlchemyError as fault:
            _log.warning("what %d runs need is not known: %s", len(run_ids), fault)
            return {}

    async def _handle(self, message: Message, reservation: Reservation, answer: Admitted | Turned | None) -> None:
        """A message, from its receipt until it is deleted, hidden or given back."""
        self._roster.receive(message)
        try:
            match answer:
                case Admitted():
                    await self._claim_and_carry_out(message, answer, term=reservation.term)
                case Turned():
                    await self._turn_away(message, answer)
                case None:
                    await self._hide(message, seconds=0)
        except (QueueUnavailable, SQLAlchemyError) as fault:
            _log.warning("run %s: %s; its message comes back by itself", message.run_id, fault)
        except Exception:  # a fault of ours ends in its own slot; the next renewal gives the run back
            _log.exception("run %s", message.run_id)
        finally:
            self._roster.done(message)
            if isinstance(answer, Admitted):
                self._equipment.admission.release(answer)
            await self._slots.release(reservation)

    async def _turn_away(self, message: Message, turned: Turned) -> None:
        """There is no room for it now: another worker may have some, or this one within a minute."""
        least, most = (round(leases * self._equipment.settings.lease_seconds) for leases in ROOM_LEASES)
        # Apart, so that they do not all come back at once; the one that room is kept for comes soon.
        seconds = least if turned.reserved else random.randint(least, most)  # noqa: S311
        await self._hide(message, seconds=seconds)
        await self._equipment.threads.database(
            lambda connection: wait_for_room(
                connection, run_id=message.run_id, reason=turned.waiting_on, detail=turned.detail
            )
        )

    async def _claim_and_carry_out(self, message: Message, admitted: Admitted, *, term: int) -> None:
        name = new_trial_name()
        answer = await self._equipment.threads.database(
            lambda connection: claim(
                connection,
                run_id=message.run_id,
                worker_id=self._equipment.worker_id,
                trial_id=f"trial_{uuid4().hex}",
                trial_name=name,
                lease_seconds=self._equipment.settings.lease_seconds,
                conditions=admitted.conditions,
            )
        )
        if isinstance(answer, Claimed):
            never_fits = admitted.never_fits
            assignment = Assignment(answer, message=message, equipment=self._equipment, never_fits=never_fits)
            await self._carry_out(assignment, term=term)
        else:
            await self._answer_refusal(message, answer)

    async def _carry_out(self, assignment: Assignment, *, term: int) -> None:
        self._roster.begin(assignment)
        try:
            state = await assignment.carry_out()
            if assignment.ending is not None:
                await self._recovery.ended(assignment.ending, term=term)
            if state is not None:
                await self._answer_ending(assignment.message, state)
        finally:
            await assignment.clear_away()

    async def _answer_refusal(self, message: Message, refused: Refused) -> None:
        if refused.refusal in (Refusal.LEASED, Refusal.ELSEWHERE):
            await self._hide(message, seconds=refused.seconds)
        else:
            await self._deletions.add(message)

    async def _answer_ending(self, message: Message, state: RunState) -> None:
        """The old message goes once its run is terminal, or once a newer one is on its way.

        An old receipt may do nothing; the message then comes back once more, and its next claim deletes it.
        """
        self._roster.let_go(message)
        if state not in TERMINAL:
            await self._sendings.add(message.run_id)
        await self._deletions.add(message)

    async def _hide(self, message: Message, *, seconds: int) -> None:
        """For another worker to find; a renewal under way must not hide it for longer."""
        self._roster.let_go(message)
        await self._hidings.add((message, seconds))

    async def _send_all(self, run_ids: Sequence[str]) -> None:
        await self._equipment.threads.send(lambda: self._equipment.send_again(run_ids))

    async def _delete_all(self, messages: Sequence[Message]) -> None:
        await self._equipment.threads.queue(lambda: self._equipment.queue.delete(messages))

    async def _hide_all(self, hidden: Sequence[tuple[Message, int]]) -> None:
        async with self._roster.hiding:
            await self._equipment.threads.queue(lambda: self._equipment.queue.hide(dict(hidden)))


async def _unless_stopped[T](work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """The work's result, or None if the stop came first; the work is cancelled then."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    return None
