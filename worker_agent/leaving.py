"""How a worker leaves its group by itself: once its time is over and nobody needs it, in one call to the group."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from flotilla.scaling import Departure, Leaver, Stay, Tenure, is_past_its_time, may_leave, wants_to_leave
from flotilla.store.fleet_state import take_census
from flotilla.worker_group import GroupMissing, GroupState, LeaveRefused, WorkerGroup
from worker_agent.roster import Roster

LOOK_SECONDS = 1.0  # how long a trial may go unseen at most
ASK_SECONDS = 60.0  # between two questions to the group: ten workers ask ten times a minute

_log = logging.getLogger(__name__)


class NotAMember(Exception):
    """The group does not hold this worker's instance: mend the worker's name, which is to be its id, or the group's."""


_UNANSWERED = (NotAMember, GroupMissing, BotoCoreError, ClientError, SQLAlchemyError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A worker's place in its group. `hook` is the name of the group's termination hook."""

    group: WorkerGroup
    instance: str
    hook: str | None


def count_waiting(connection: Connection) -> int:
    """The runs that may start now and do not run."""
    return take_census(connection, instances=(), leaving=()).waiting


class Leaving:
    """One worker's wish to leave, and the one call that ends it. What AWS or the database refuse is asked again.

    `waiting` tells how many runs wait that could start.
    """

    def __init__(
        self,
        membership: Membership,
        *,
        tenure: Tenure,
        roster: Roster,
        waiting: Callable[[], Awaitable[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._membership = membership
        self._tenure = tenure
        self._roster = roster
        self._waiting = waiting
        self._clock = clock
        self._born = self._idle_since = clock()
        self._begun = 0
        self._outdated = False
        self._ask_seconds = min(ASK_SECONDS, self._tenure.idle_seconds, self._tenure.idle_seconds_never_worked)
        self._next_question = self._born + self._ask_seconds

    async def until_due(self) -> None:
        """Returns once the worker should receive nothing more, so that it can leave."""
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self._ask_seconds))
            self._notice_work()
            if self._clock() >= self._next_question and await self._is_due():
                return

    async def leave(self, *, recalled: bool = False) -> bool:
        """Whether the group ends this worker's machine now, which holds nothing any more. False: it goes on.

        One that is `recalled` retires, whatever its age: its machine may be taken soon.
        """
        self._notice_work()
        self._next_question = self._clock() + self._ask_seconds
        try:
            answer = await self._answer(self._leaver(retiring=recalled or self._retires()))
            if isinstance(answer, Departure):
                await asyncio.to_thread(self._membership.group.leave, self._membership.instance, answer)
        except (LeaveRefused, *_UNANSWERED) as fault:
            _log.warning("this worker stays: %s", fault)
            return False
        _log.info("this worker %s", f"stays: {answer}" if isinstance(answer, Stay) else "leaves its group")
        return not isinstance(answer, Stay)

    async def _is_due(self) -> bool:
        self._next_question = self._clock() + self._ask_seconds
        try:
            answer = await self._answer(self._leaver(retiring=self._retires()))
        except _UNANSWERED as fault:
            _log.warning("whether this worker may leave is not known: %s", fault)
            return False
        return self._retires() or not isinstance(answer, Stay)

    async def _answer(self, leaver: Leaver) -> Stay | Departure | None:
        """None if the group ends the instance already. The database is asked only if the answer hangs on it."""
        seen = await asyncio.to_thread(self._membership.group.look)
        instance = self._membership.instance
        self._outdated = instance in seen.outdated
        if instance in seen.leaving:
            return None
        if instance not in seen.instances:
            raise NotAMember(f"the group does not hold {instance}: mend FLOTILLA_WORKER_NAME or FLOTILLA_GROUP")
        wants = wants_to_leave(leaver, tenure=self._tenure)
        return self._decide(leaver, seen, waiting=await self._waiting() if wants else 0)

    def _decide(self, leaver: Leaver, seen: GroupState, *, waiting: int) -> Stay | Departure:
        return may_leave(
            leaver,
            waiting=waiting,
            desired=seen.desired,
            minimum=seen.least,
            instances=len(seen.instances),
            tenure=self._tenure,
        )

    def _notice_work(self) -> None:
        if not self._roster.empty.is_set() or self._roster.begun != self._begun:
            self._begun = self._roster.begun
            self._idle_since = self._clock()

    def _retires(self) -> bool:
        age = self._clock() - self._born
        return self._outdated or is_past_its_time(age_seconds=age, trials=self._roster.begun, tenure=self._tenure)

    def _leaver(self, *, retiring: bool) -> Leaver:
        return Leaver(
            busy=0 if self._roster.empty.is_set() else 1,
            idle_seconds=self._clock() - self._idle_since,
            worked=self._roster.begun > 0,
            retiring=retiring,
        )
