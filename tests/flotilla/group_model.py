"""A small model of the fleet on AWS: a group that launches, machines that boot, run, drain and leave, and the pulse.

What decides is the fleet's own code (`flotilla.scaling`, `flotilla.booting`); modelled is only what AWS and time do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flotilla.booting import Boot, judge, launches_fail
from flotilla.scaling import BOOT_SECONDS, Departure, Leaver, Observation, may_leave, shortfall
from flotilla.states import BootOutcome
from tests.flotilla.alarm_model import Alarm, Rule

SLOTS = 60
MOST = 10
TICK = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """So many runs come at a time, each runs so long, and none may start before `held_until` (seconds)."""

    at: int
    runs: int
    seconds: int
    held_until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens to a fleet. `boots` says whether the nth launch comes up, `spot` how many machines AWS gives."""

    demands: tuple[Demand, ...]
    until: int = 7_200
    boot_seconds: int = 120
    spot: Callable[[int], int] = lambda _: 1_000
    boots: Callable[[int], bool] = lambda _: True
    interrupted: Mapping[int, int] = field(default_factory=dict)  # at such a second, so many machines vanish
    drained: frozenset[int] = frozenset()  # at such a second, one machine receives nothing more


@dataclass(slots=True, kw_only=True)
class Machine:
    """One instance of the group, and its worker once that has reported."""

    name: str
    born: int
    good: bool
    ends: list[int] = field(default_factory=list)
    reported_at: int | None = None
    idle_since: int = 0
    worked: bool = False
    draining: bool = False

    @property
    def free(self) -> int:
        return 0 if self.reported_at is None or self.draining else SLOTS - len(self.ends)


@dataclass(slots=True, kw_only=True)
class GroupModel:
    """The fleet at one second after the other."""

    scenario: Scenario
    alarm: Alarm
    desired: int = 0
    launches: int = 0
    suspended: bool = False
    machines: list[Machine] = field(default_factory=list)
    waiting: list[tuple[int, int]] = field(default_factory=list)  # (may start from, seconds)
    boots: dict[str, Boot] = field(default_factory=dict)
    outcomes: list[BootOutcome] = field(default_factory=list)  # newest first
    history: list[tuple[int, int]] = field(default_factory=list)  # (second, desired)

    def live(self) -> None:
        """The whole story, second by second."""
        for now in range(self.scenario.until):
            self._arrive(now)
            self._run(now)
            self._leave(now)
            if now % TICK == 5:  # the pulse and the alarm are not in step
                self._tick(now)
            self.desired = min(MOST, self.desired + self.alarm.workers_to_add(now))
            self._launch(now)
            self.history.append((now, self.desired))

    def _arrive(self, now: int) -> None:
        for demand in self.scenario.demands:
            if demand.at == now:
                self.waiting += [(demand.held_until, demand.seconds)] * demand.runs

    def _run(self, now: int) -> None:
        for machine in self.machines:
            if machine.good and machine.reported_at is None and now - machine.born >= self.scenario.boot_seconds:
                machine.reported_at = machine.idle_since = now
            busy, machine.ends = bool(machine.ends), [end for end in machine.ends if end > now]
            while machine.free and (start := next((one for one in self.waiting if one[0] <= now), None)):
                self.waiting.remove(start)
                machine.ends.append(now + start[1])
                machine.worked = True
            if busy and not machine.ends:
                machine.idle_since = now

    def _leave(self, now: int) -> None:
        self._drain(now)
        for machine in [one for one in self.machines if one.reported_at is not None]:
            leaver = Leaver(
                busy=len(machine.ends),
                idle_seconds=now - machine.idle_since,
                worked=machine.worked,
                retiring=machine.draining,
            )
            answer = may_leave(
                leaver,
                waiting=self._startable(now),
                desired=self.desired,
                minimum=0,
                instances=len(self.machines),
            )
            if isinstance(answer, Departure):
                self.machines.remove(machine)
                self.desired -= answer is Departure.LOWERING

    def _drain(self, now: int) -> None:
        for machine in self.machines[: self.scenario.interrupted.get(now, 0)]:
            self.waiting += [(now, end - now) for end in machine.ends]
            self.machines.remove(machine)
        if now in self.scenario.drained:
            self.machines[0].draining = True

    def _startable(self, now: int) -> int:
        return sum(held_until <= now for held_until, _ in self.waiting)

    def _launch(self, now: int) -> None:
        wanted = min(self.desired, self.scenario.spot(now)) - len(self.machines)
        for _ in range(0 if self.suspended else wanted):
            good = self.scenario.boots(self.launches)
            self.machines.append(Machine(name=f"i-{self.launches}", born=now, good=good))
            self.launches += 1

    def _tick(self, now: int) -> None:
        self._see_to_boots(now)
        seen = Observation(
            waiting=self._startable(now),
            free=sum(machine.free for machine in self.machines),
            desired=self.desired,
            instances=len(self.machines),
            reported=sum(machine.reported_at is not None for machine in self.machines),
            most=MOST,
        )
        self.alarm.measure(now, shortfall(seen, slots=SLOTS))

    def _see_to_boots(self, now: int) -> None:
        there = {machine.name: machine for machine in self.machines}
        seen = [self._boot(name, there.get(name), now) for name in {*there, *self.boots}]
        verdicts = judge(seen, boot_seconds=BOOT_SECONDS)
        decided = {**dict.fromkeys(verdicts.reported, BootOutcome.REPORTED)}
        decided |= dict.fromkeys(verdicts.failed, BootOutcome.FAILED)
        self.outcomes = [*decided.values(), *self.outcomes]
        self.boots = {boot.instance: boot for boot in seen if boot.instance not in decided and boot.outcome is None}
        self.machines = [machine for machine in self.machines if machine.name not in verdicts.replace]
        self.suspended = self.suspended or launches_fail(self.outcomes)

    def _boot(self, name: str, machine: Machine | None, now: int) -> Boot:
        if machine is None:
            return Boot(instance=name, present=False, age_seconds=0, reported=False)
        reported = machine.reported_at is not None
        known = BootOutcome.REPORTED if reported and name not in self.boots else None
        return Boot(instance=name, present=True, age_seconds=now - machine.born, reported=reported, outcome=known)


def told(scenario: Scenario, rule: Rule) -> GroupModel:
    """The fleet after the whole scenario, scaled out by that rule."""
    model = GroupModel(scenario=scenario, alarm=Alarm(rule=rule))
    model.live()
    return model
