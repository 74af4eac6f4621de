"""The bounds loop: what each trial holds of the host's disks and processes, and the end of those that hold too much."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker_agent import control_group
from worker_agent.assignment import Assignment
from worker_agent.bounds import Usage, excess
from worker_agent.control_group import ControlGroup
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError
from worker_agent.docker.holdings import Holding, Holdings
from worker_agent.environments import worker_labels
from worker_agent.equipment import Equipment
from worker_agent.janitor import TRIAL
from worker_agent.roster import Roster
from worker_agent.sandbox.groups import groups_of
from worker_agent.usage import lying_in

ROUND_SECONDS = 2.0
REST = 20  # times the processor time of a round: counting files takes a twentieth of one processor at most
LONGEST_REST_SECONDS = 20.0

_log = logging.getLogger(__name__)


class BoundsWatch:
    """Looks at one trial after the other; a host whose engine does not answer is looked at without it."""

    def __init__(self, *, equipment: Equipment, roster: Roster) -> None:
        self._equipment = equipment
        self._roster = roster
        self._spent = 0.0
        """Processor time of this round."""
        self._full: set[str] = set()
        """Trials that were at a limit of processes when they were last looked at."""
        self._places: Mapping[str, Path] = {}
        """Where groups of sandboxes are, as this round found it."""
        host = equipment.chosen.docker_host
        self._holdings = Holdings(Engine(host), worker_labels(equipment.settings), of=TRIAL) if host else None

    async def run(self) -> None:
        """Round after round, until it is cancelled."""
        while True:
            self._spent = 0.0
            await self.look_once()
            await asyncio.sleep(min(max(ROUND_SECONDS, REST * self._spent), LONGEST_REST_SECONDS))

    async def look_once(self) -> None:
        """One round."""
        held = await self._held()
        self._places = control_group.places()
        running = [one for one in self._roster.assignments.values() if one.has_trial and one.ending is None]
        self._full &= {one.run.trial_name for one in running}
        for assignment in running:
            await self._look_at(assignment, held.get(assignment.run.trial_name, ()))

    async def _held(self) -> Mapping[str, list[Holding]]:
        if self._holdings is None:
            return {}
        try:
            return await self._holdings.look()
        except (EngineError, EngineUnavailableError) as fault:
            _log.warning("the containers of trials were not looked at: %s", fault)
            return {}

    async def _look_at(self, assignment: Assignment, held: Sequence[Holding]) -> None:
        usage = await self._equipment.threads.files(lambda: self._usage(assignment, held))
        if (found := excess(usage, assignment.bounds)) is not None:
            _log.warning("%s: %s", assignment.run.trial_name, found.message)
            assignment.exceed(found)

    def _usage(self, assignment: Assignment, held: Sequence[Holding]) -> Usage:
        began = time.thread_time()
        try:
            return self._counted(assignment, held)
        finally:
            self._spent += time.thread_time() - began

    def _counted(self, assignment: Assignment, held: Sequence[Holding]) -> Usage:
        scratch, bounds = assignment.place.scratch, assignment.bounds
        layers = [str(scratch / "sandbox"), str(scratch / "task"), *(folder for one in held for folder in one.folders)]
        written = [str(scratch / name) for name in ("trials", "tmp", "home")]
        own = groups_of(scratch / "sandbox", within=self._places)
        groups = [*own, *(group for one in held if (group := ControlGroup.of(one.pid)))]
        return Usage(
            storage=lying_in(layers, most=bounds.storage),
            output=lying_in(written, most=bounds.output),
            crowded=self._crowded(assignment.run.trial_name, groups),
        )

    def _crowded(self, trial: str, groups: Sequence[ControlGroup]) -> int | None:
        """The limit that one of the groups is at, if the trial was at one already: a short rush is nobody's harm."""
        full = next((group for group in groups if group.is_full()), None)
        if full is None:
            self._full.discard(trial)
            return None
        was_full = trial in self._full
        self._full.add(trial)
        return full.most_processes() if was_full else None
