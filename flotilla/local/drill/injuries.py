"""Carries the schedule out on a running stack, and remembers what was done to whom, when, under how much work."""

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from flotilla.local.children import Child
from flotilla.local.drill import host
from flotilla.local.drill.ground import Ground
from flotilla.local.drill.host import CannotInjure
from flotilla.local.drill.schedule import ON_WORKERS, Injury, Kind
from flotilla.local.stack import Stack

DATABASE_RESTART_PAUSE = 1.0  # seconds
NOTICE_GRACE_SECONDS = 0.5  # a notice names a whole second


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An injury that was done; `running` counts the trials that the ledger knew on the worker, or altogether."""

    injury: Injury
    at: float
    worker: str | None
    running: int


@dataclass(slots=True, kw_only=True)
class Absence:
    """A time during which a worker could not work; without an end, that incarnation of it never came back.

    Where it is `deadly` the trials that it had are lost, those too that it claimed until the blow was `struck`: to end
    all processes of a busy machine takes a moment.
    """

    worker: str
    begins: float
    struck: float | None = None
    ends: float | None = None
    deadly: bool = True


class Injuries:
    """Only for the main thread: it starts and ends parts of the stack."""

    def __init__(
        self,
        injuries: tuple[Injury, ...],
        *,
        ground: Ground,
        stack: Stack,
        runs: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.done: list[Done] = []
        self.absences: list[Absence] = []
        self.blackouts: list[tuple[float, float]] = []
        self.left_out: list[str] = []
        self.gone: list[str] = []
        self._waiting = list(injuries)
        self._ground = ground
        self._stack = stack
        self._runs = runs
        self._clock = clock
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._seats = {number: ground.plan.worker_name(number) for number in range(1, ground.plan.workers + 1)}
        self._hired_at = dict.fromkeys(self._seats, 0.0)
        self._numbers = ground.plan.workers
        self._acts: dict[Kind, Callable[[Injury], None]] = {
            Kind.KILL: self._kill,
            Kind.LOSE_MACHINE: self._lose_machine,
            Kind.SPOT_NOTICE: self._give_notice,
            Kind.FREEZE: self._freeze,
            Kind.FILL_DISK: self._fill_disk,
            Kind.SLOW_SHARED: self._slow_shared,
            Kind.RESTART_DATABASE: self._take_database_away,
            Kind.DATABASE_OUTAGE: self._take_database_away,
            Kind.RESTART_QUEUE: lambda _: self._stack.kill_queue(),
            Kind.KILL_SERVER: lambda _: self._stack.kill_server(),
        }

    @property
    def under_way(self) -> bool:
        """Whether something that was begun is not over: a stopped worker, a disk that is full."""
        return bool(self._later)

    @property
    def worker_names(self) -> list[str]:
        """Every worker that there ever was."""
        return [self._ground.plan.worker_name(number) for number in range(1, self._numbers + 1)]

    @property
    def present(self) -> list[str]:
        """The workers that should be there now."""
        return [name for name in self._seats.values() if name]

    def step(self) -> None:
        """Does what is due now."""
        now = self._clock()
        for entry in [entry for entry in self._later if entry[0] <= now]:
            self._later.remove(entry)
            entry[1]()
        progress = self._ground.ledger.progress(runs=self._runs) if self._waiting else 0.0
        for injury in [injury for injury in self._waiting if injury.progress <= progress]:
            running = self._running(injury)
            if running is not None:
                self._waiting.remove(injury)
                self._injure(injury, running)

    def give_up(self) -> None:
        """Nothing more is begun: what was never done is said."""
        for injury in self._waiting:
            self.left_out.append(f"{injury.kind}: the runs had ended before worker {injury.seat} had trials to lose")
        self._waiting = []

    def _running(self, injury: Injury) -> int | None:
        """How many trials it would hit; None while it must wait for some."""
        if injury.kind not in ON_WORKERS:
            return sum(self._ground.ledger.running(name, since=0.0) for name in self.present)
        child = self._occupant(injury)
        if child is None or not child.is_running:
            return None
        return self._ground.ledger.running(child.name, since=self._hired_at[injury.seat or 0]) or None

    def _injure(self, injury: Injury, running: int) -> None:
        child = self._occupant(injury) if injury.kind in ON_WORKERS else None
        done = Done(injury=injury, at=self._clock(), worker=child.name if child else None, running=running)
        try:
            self._acts[injury.kind](injury)
        except CannotInjure as fault:
            self.left_out.append(f"{injury.kind}: {fault}")
        else:
            self.done.append(done)

    def _occupant(self, injury: Injury) -> Child | None:
        name = self._seats.get(injury.seat or 0)
        return self._stack.worker(name) if name else None

    def _victim(self, injury: Injury) -> tuple[Child, int]:
        child = self._occupant(injury)
        if child is None or child.pid is None:
            raise CannotInjure("there is no such worker")
        return child, child.pid

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._later.append((self._clock() + seconds, act))

    def _absent(self, worker: str, *, deadly: bool = True) -> Absence:
        absence = Absence(worker=worker, begins=self._clock(), deadly=deadly)
        self.absences.append(absence)
        return absence

    def _return(self, absence: Absence) -> None:
        absence.ends = self._clock()

    def _kill(self, injury: Injury) -> None:
        """The supervisor alone: that its trials end too, and are cleared away, is the product's to see to."""
        child, _ = self._victim(injury)
        absence = self._absent(child.name)
        child.send_signal(signal.SIGKILL)
        absence.struck = self._clock()
        self._hired_at[injury.seat or 0] = self._clock()

    def _lose_machine(self, injury: Injury) -> None:
        child, pid = self._victim(injury)
        absence = self._absent(child.name)
        host.kill_tree(pid)
        absence.struck = self._clock()
        self._bury(injury)

    def _bury(self, injury: Injury) -> None:
        """A machine is gone, with its disk and its containers; the group puts another in its place after a while."""
        seat = injury.seat or 0
        name = self._seats[seat]
        self._stack.dismiss(name)
        self.gone.append(name)
        self._seats[seat] = ""
        if self._ground.engine is not None:
            self._ground.engine.remove(name)
        self._after(injury.seconds if injury.kind is Kind.LOSE_MACHINE else 0.0, lambda: self._replace(seat))

    def _replace(self, seat: int) -> None:
        self._numbers += 1
        self._seats[seat] = self._ground.plan.worker_name(self._numbers)
        self._hired_at[seat] = self._clock()
        self._stack.hire(self._seats[seat])

    def _give_notice(self, injury: Injury) -> None:
        child, _ = self._victim(injury)
        self._absent(child.name, deadly=False)
        self._stack.let_leave(child.name)
        self._ground.metadata.notify_spot(child.name, seconds=injury.seconds)
        self._after(injury.seconds + NOTICE_GRACE_SECONDS, lambda: self._take_machine(injury))

    def _take_machine(self, injury: Injury) -> None:
        child, pid = self._victim(injury)
        absence = self._absent(child.name)
        if child.is_running:
            host.kill_tree(pid)
        absence.struck = self._clock()
        self._bury(injury)

    def _freeze(self, injury: Injury) -> None:
        child, pid = self._victim(injury)
        absence = self._absent(child.name)
        stopped = host.stop_tree(pid)
        absence.struck = self._clock()
        if self._ground.engine is not None:
            self._ground.engine.pause(child.name)
        self._after(injury.seconds, lambda: self._thaw(child.name, stopped, absence))

    def _thaw(self, name: str, stopped: list[int], absence: Absence) -> None:
        if self._ground.engine is not None:
            self._ground.engine.unpause(name)
        host.continue_all(stopped)
        self._return(absence)

    def _fill_disk(self, injury: Injury) -> None:
        child, _ = self._victim(injury)
        disk = self._ground.disks.get(child.name)
        if disk is None:
            raise CannotInjure("this worker has no disk of its own")
        absence = self._absent(child.name, deadly=False)
        disk.fill()

        def make_room() -> None:
            disk.empty()
            self._return(absence)

        self._after(injury.seconds, make_room)

    def _slow_shared(self, injury: Injury) -> None:
        _, pid = self._victim(injury)
        slow = ExitStack()
        slow.enter_context(host.slow_fsync(pid))

        def let_go() -> None:
            try:
                slow.close()
            except CannotInjure as fault:
                self.left_out.append(f"{injury.kind}: {fault}")
                self.done = [done for done in self.done if done.injury is not injury]

        self._after(injury.seconds, let_go)

    def _take_database_away(self, injury: Injury) -> None:
        began = self._clock()
        self._stack.take_database_away("fast" if injury.orderly else "immediate")

        def bring_back() -> None:
            self._stack.bring_database_back()
            self.blackouts.append((began, self._clock()))

        self._after(injury.seconds or DATABASE_RESTART_PAUSE, bring_back)
