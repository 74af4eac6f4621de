"""The pulse's care for a group of workers: measure what is short, publish it, see to instances that never report."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from flotilla.booting import FAILED_IN_A_ROW, judge, launches_fail
from flotilla.cloudwatch import Publisher
from flotilla.metrics import Metric
from flotilla.scaling import Observation, shortfall
from flotilla.states import BootOutcome
from flotilla.store.boots import answer_failed_boots, decide_boots, latest_outcomes, see_instances
from flotilla.store.fleet_state import Census, Endings, count_endings, counted, say_why_they_wait, take_census
from flotilla.worker_group import GroupState, WorkerGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """What one tick of care found and did."""

    shortfall: int
    replaced: tuple[str, ...] = ()
    stopped_launching: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Caretaker:
    """Cares for one group. `slots` are those of a worker that has not reported yet; times in seconds."""

    engine: Engine
    group: WorkerGroup
    publisher: Publisher
    slots: int
    boot_seconds: float

    def tend(self, *, leader: str, quiet: bool) -> Tended:
        """One tick. While all is `quiet` no instance is judged: its worker could not report.

        What is short is published even if an instance cannot be replaced.
        """
        group = self.group.look()
        try:
            replaced, stopped = ((), False) if quiet else self._see_to_boots(group)
        finally:
            short = self._measure(group, leader=leader)
        return Tended(shortfall=short, replaced=replaced, stopped_launching=stopped)

    def _see_to_boots(self, group: GroupState) -> tuple[tuple[str, ...], bool]:
        with self.engine.begin() as connection:
            verdicts = judge(see_instances(connection, group.instances), boot_seconds=self.boot_seconds)
            decide_boots(connection, verdicts.reported, BootOutcome.REPORTED)
            decide_boots(connection, verdicts.failed, BootOutcome.FAILED)
            stop = launches_fail(latest_outcomes(connection, most=FAILED_IN_A_ROW))
        if stop:  # before replacing, which launches
            self.group.stop_launching()
            with self.engine.begin() as connection:
                answer_failed_boots(connection)
        for instance in verdicts.replace:
            self.group.replace(instance)
        return verdicts.replace, stop

    def _measure(self, group: GroupState, *, leader: str) -> int:
        with self.engine.begin() as connection:
            census = take_census(connection, instances=group.instances, leaving=group.leaving)
            endings = count_endings(connection, leader=leader)
            stopped = not group.launches and census.waiting > census.free
            say_why_they_wait(connection, launches_stopped=stopped)
        short = shortfall(_observation(group, census), slots=self.slots)
        self.publisher.publish(_metrics(group, census, endings, short=short))
        with self.engine.begin() as connection:  # only now: what could not be published is counted again
            counted(connection, leader=leader, until=endings.until)
        return short


def _observation(group: GroupState, census: Census) -> Observation:
    return Observation(
        waiting=census.waiting,
        free=census.free,
        desired=group.desired,
        instances=len(group.instances),
        reported=census.reported,
        most=group.most,
    )


def _metrics(group: GroupState, census: Census, endings: Endings, *, short: int) -> Mapping[Metric, float]:
    return {
        Metric.WAITING: census.waiting,
        Metric.RUNNING: census.running,
        Metric.OLDEST_WAIT: census.oldest_wait,
        Metric.SLOTS_LIVE: census.slots,
        Metric.SLOTS_BUSY: census.busy,
        Metric.SHORTFALL: short,
        Metric.RUNS_GRADED: endings.graded,
        Metric.RUNS_ERRORED: endings.errored,
        Metric.TRIALS_PREEMPTED: endings.preempted,
        Metric.UNCLASSIFIED_ENDINGS: endings.unclassified,
        Metric.LAUNCHES_STOPPED: int(not group.launches),
    }
