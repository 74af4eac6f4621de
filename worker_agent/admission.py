"""Whether a host takes a run on: what its task declares, against what the host has and what trials in hand were given.

What a task does not declare is not counted: the containers' own limits and the floors on the disks bound it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flotilla.states import WaitingOn
from flotilla.store.room import Declared
from worker_agent.capacity import Capacity

NOTHING = Declared()
MOST_REFUSALS = 3
"""Of one run; then nothing else is let in that would take the room it needs: small runs would starve it."""
FORGOTTEN_SECONDS = 120.0
"""A refused run's message is hidden for a minute at most: not seen for so long, it was taken elsewhere or is over."""
_RESOURCES = {
    "cpus": (WaitingOn.CPUS, "CPUs"),
    "memory_mb": (WaitingOn.MEMORY, "MB of memory"),
    "storage_mb": (WaitingOn.STORAGE, "MB of storage"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Room that a trial was given; `conditions` go with it into its row.

    What `never_fits` (and why) is given none: it is taken on only to say so.
    """

    given: Declared
    conditions: Mapping[str, Any]
    never_fits: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """Not now: which resource is short and by how much, and whether room is kept for this run from now on."""

    waiting_on: WaitingOn
    detail: str
    reserved: bool


@dataclass(slots=True, kw_only=True)
class _Refused:
    declared: Declared
    times: int
    seen: float


class Admission:
    """The room of one worker's host, on one event loop. `clock` is in seconds."""

    def __init__(self, capacity: Capacity, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._clock = clock
        self._given = NOTHING
        self._refused: dict[str, _Refused] = {}

    def admit(self, run_id: str, declared: Declared) -> Admitted | Turned:
        """Gives the run its room, or remembers that it was refused."""
        self._forget()
        if fault := self._never_fits(declared):
            return Admitted(given=NOTHING, conditions=self._conditions(declared), never_fits=fault)
        kept = self._kept_for(run_id)
        short = _short(_sum(self._given, _sum(kept, declared)), self.capacity.promised) if declared != NOTHING else None
        if short is not None:
            former = self._refused.get(run_id)
            times = former.times + 1 if former else 1
            # In its old place: whom room is kept for must not change each time that one of them asks.
            self._refused[run_id] = _Refused(declared=declared, times=times, seen=self._clock())
            detail = self._missing(short, declared, kept)
            return Turned(waiting_on=_RESOURCES[short][0], detail=detail, reserved=self._reserving == run_id)
        self._refused.pop(run_id, None)
        self._given = _sum(self._given, declared)
        return Admitted(given=declared, conditions=self._conditions(declared))

    def release(self, admitted: Admitted) -> None:
        """The room of that trial is free again."""
        self._given = _sum(self._given, admitted.given, sign=-1)

    def room(self, free: int) -> int:
        """How many of the free slots can be filled with what waits here, by the one that fits least often."""
        self._forget()
        left = _sum(self.capacity.promised, self._given, sign=-1)
        return min([free, *(_times(one.declared, left) for one in self._refused.values())])

    def _never_fits(self, declared: Declared) -> str | None:
        """Why no worker of this kind could ever carry it out, with the mend; None if an empty host can.

        Overcommit does not count here: one trial can be given no more than its host really has.
        """
        short = _short(declared, self.capacity.host)
        if short is None:
            return None
        name = _RESOURCES[short][1]
        return (
            f"the task declares {getattr(declared, short):g} {name}, a worker has "
            f"{getattr(self.capacity.host, short):g}: lower [environment] {short} in its task.toml, "
            "or give the fleet larger workers"
        )

    def _missing(self, short: str, declared: Declared, kept: Declared) -> str:
        """How much of the resource that is short is asked, and how much this worker has left of all it may promise."""
        promised, given, held = (getattr(one, short) for one in (self.capacity.promised, self._given, kept))
        asked, free = _amount(getattr(declared, short)), _amount(max(promised - given, 0))
        told = f"{asked} {_RESOURCES[short][1]} asked, {free} of {_amount(promised)} free"
        return f"{told}, {_amount(held)} of that kept for a run that was refused before" if held else told

    @property
    def _reserving(self) -> str | None:
        """The run that room is kept for: of those refused often enough the one that was refused first."""
        return next((run_id for run_id, one in self._refused.items() if one.times >= MOST_REFUSALS), None)

    def _kept_for(self, run_id: str) -> Declared:
        reserving = self._reserving
        return NOTHING if reserving in (None, run_id) else self._refused[reserving].declared

    def _forget(self) -> None:
        old = self._clock() - FORGOTTEN_SECONDS
        self._refused = {run_id: one for run_id, one in self._refused.items() if one.seen > old}

    def _conditions(self, declared: Declared) -> dict[str, Any]:
        """With what all trials of the host have been promised now, this one's part included."""
        return {
            "declared": asdict(declared),
            "host": asdict(self.capacity.host),
            "promised": asdict(self._given),
            "overcommit": {
                "cpus": self.capacity.cpu_overcommit,
                "memory": self.capacity.memory_overcommit,
                "storage": self.capacity.storage_overcommit,
            },
        }


def _amount(number: float) -> str:
    return f"{number:,.2f}".removesuffix("0").removesuffix("0").removesuffix(".")


def _short(wanted: Declared, there: Declared) -> str | None:
    return next((name for name in _RESOURCES if getattr(wanted, name) > getattr(there, name)), None)


def _times(declared: Declared, left: Declared) -> int:
    shares = [getattr(left, name) // getattr(declared, name) for name in _RESOURCES if getattr(declared, name)]
    return max(int(min(shares)), 0)


def _sum(one: Declared, other: Declared, *, sign: int = 1) -> Declared:
    return Declared(**{name: getattr(one, name) + sign * getattr(other, name) for name in _RESOURCES})
