"""The verdict: for every way to break the promise there is a row that says so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flotilla.local.drill.facts import Depth, Directory, Facts, Result, Run
from flotilla.local.drill.ledger import Phase
from flotilla.local.drill.recovery import percentile, recoveries
from flotilla.local.drill.verdict import judge
from flotilla.states import RunState, TrialState
from tests.flotilla.local.drill.making import (
    AFTER_LOSS,
    GOOD,
    LOST,
    LOST_NONCE,
    NONCE,
    PLAIN,
    directory,
    entries,
    graded,
)

FIRST, SECOND = GOOD.runs


def first(**words: Any) -> Facts:
    """The good drill, but for something of its first run."""
    return replace(GOOD, runs=[replace(FIRST, **words), SECOND])


def broken(facts: Facts) -> set[str]:
    return {row.name for row in judge(facts).rows if row.breaches}


def without_file(run: Run, name: str) -> list[Directory]:
    return [replace(one, files=one.files - {name}) if one.result else one for one in run.directories]


def test_a_good_drill_breaks_nothing() -> None:
    verdict = judge(GOOD)
    assert verdict.kept
    assert verdict.row("ended once").value == "2 of 2"
    assert verdict.row("longest recovery, lost").value.startswith("100.0 s (p50 100.0 s, 1 trials, at most 120 s)")


BREACHES: dict[str, tuple[Callable[[], Facts], str]] = {
    "a run is still open": (lambda: first(state=RunState.RUNNING), "lost"),
    "a run that nobody failed has no reward": (lambda: first(state=RunState.ERRORED, cause="host_lost"), "lost"),
    "a run has vanished": (lambda: replace(GOOD, runs=[SECOND]), "lost"),
    "no trial counts": (lambda: first(trials=[LOST, replace(AFTER_LOSS, counts=False)]), "ended once"),
    "the trial that counts ended otherwise": (
        lambda: first(trials=[LOST, replace(AFTER_LOSS, state=TrialState.LOST)]),
        "ended once",
    ),
    "a trial is still open": (
        lambda: first(trials=[replace(LOST, state=TrialState.RUNNING, finished_at=None), AFTER_LOSS]),
        "ended once",
    ),
    "two trials graded one run": (
        lambda: first(trials=[replace(LOST, state=TrialState.GRADED), AFTER_LOSS]),
        "double",
    ),
    "one result counts for two runs": (
        lambda: replace(GOOD, runs=[FIRST, replace(SECOND, nonce=NONCE, shown_nonce=NONCE)]),
        "double",
    ),
    "a trial was carried out twice": (
        lambda: replace(GOOD, entries=[*GOOD.entries, *entries("task__after", 99, at=210.0, worker="one")]),
        "double",
    ),
    "a result changed after it was final": (lambda: replace(GOOD, rewritten=["run 1 was graded by 10"]), "double"),
    "the API shows another state": (lambda: first(shown_state="running"), "witnesses disagree"),
    "the API lists another trial's reward": (lambda: first(shown_nonce=LOST_NONCE), "witnesses disagree"),
    "the API gives another trial's result": (
        lambda: first(shown_result=Result(trial="task__lost", nonce=LOST_NONCE)),
        "witnesses disagree",
    ),
    "the run's row has a late trial's reward": (lambda: first(nonce=LOST_NONCE), "witnesses disagree"),
    "the trial's row has another result": (
        lambda: first(trials=[LOST, replace(AFTER_LOSS, result=Result(trial="task__after", nonce=LOST_NONCE))]),
        "witnesses disagree",
    ),
    "the file has another result": (
        lambda: first(directories=[directory("task__lost"), directory("task__after", LOST_NONCE)]),
        "witnesses disagree",
    ),
    "the ledger has not seen the trial that counts": (
        lambda: replace(GOOD, entries=[entry for entry in GOOD.entries if entry.trial != "task__after"]),
        "witnesses disagree",
    ),
    "the ledger has not seen its verifier": (
        lambda: replace(
            GOOD,
            entries=[
                entry for entry in GOOD.entries if (entry.trial, entry.phase) != ("task__plain", Phase.VERIFIER_ENDED)
            ],
        ),
        "witnesses disagree",
    ),
    "a trial was taken from a worker that lived": (
        lambda: replace(GOOD, absences=[]),
        "taken back without a cause",
    ),
    "a graded trial has no result file": (
        lambda: first(directories=without_file(FIRST, "result.json")),
        "evidence missing",
    ),
    "a graded trial has no log": (lambda: first(directories=without_file(FIRST, "trial.log")), "evidence missing"),
    "a lost trial's directory is gone": (
        lambda: first(directories=[directory("task__after", NONCE)]),
        "evidence missing",
    ),
    "a directory belongs to no trial": (
        lambda: first(directories=[*FIRST.directories, directory("task__stray")]),
        "evidence missing",
    ),
    "a graded trial has half a file": (
        lambda: first(
            directories=[
                replace(one, files=one.files | {".result.json.publishing"}) if one.result else one
                for one in FIRST.directories
            ]
        ),
        "half files",
    ),
    "a lost trial's result is half a document": (
        lambda: first(directories=[replace(directory("task__lost"), torn=True), FIRST.directories[1]]),
        "half files",
    ),
    "the job counts a run twice": (
        lambda: replace(GOOD, tally=replace(GOOD.tally, open_runs=-1)),
        "tallies wrong",
    ),
    "the job has not ended": (lambda: replace(GOOD, tally=replace(GOOD.tally, state="running")), "tallies wrong"),
    "the API counts other states": (
        lambda: replace(GOOD, tally=replace(GOOD.tally, shown={"graded": 1, "errored": 1})),
        "tallies wrong",
    ),
    "a message is left": (
        lambda: replace(GOOD, depths=[Depth(queue="runs", messages=1, dead_letters=False)]),
        "messages left",
    ),
    "a message was buried": (
        lambda: replace(GOOD, depths=[Depth(queue="runs-dead", messages=1, dead_letters=True)]),
        "messages left",
    ),
    "a process is left": (lambda: replace(GOOD, orphans=["process 4711"]), "orphans"),
    "a lost run waited too long beside a free slot": (
        lambda: first(trials=[LOST, replace(AFTER_LOSS, started_at=230.0, finished_at=240.0)]),
        "longest recovery, lost",
    ),
    "a preempted run waited too long beside a free slot": (
        lambda: first(
            trials=[
                replace(LOST, state=TrialState.PREEMPTED, finished_at=KILLED_AND_SHIPPED),
                AFTER_LOSS,
            ]
        ),
        "longest recovery, preempted",
    ),
}
KILLED_AND_SHIPPED = 110.0


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_seen_when(name: str) -> None:
    make, row = BREACHES[name]
    assert row in broken(make())
    assert not judge(make()).kept


def test_a_trial_whose_machine_was_lost_at_its_start_may_leave_nothing() -> None:
    early = replace(GOOD, entries=[*GOOD.entries[1:], replace(GOOD.entries[0], at=95.0)])
    facts = replace(early, runs=[replace(FIRST, directories=[directory("task__after", NONCE)]), SECOND])
    assert judge(facts).kept


def test_waiting_counts_only_while_a_slot_is_free_and_the_database_answers() -> None:
    (plain,) = recoveries(GOOD)
    (without_database,) = recoveries(replace(GOOD, blackouts=[(120.0, 140.0)]))
    both_slots = [graded(f"task__{name}", 1, number=1, worker="two", started_at=150.0) for name in ("a", "b")]
    (full,) = recoveries(replace(GOOD, runs=[*GOOD.runs, *(replace(SECOND, trials=[trial]) for trial in both_slots)]))
    assert (plain.seconds, without_database.seconds, full.seconds) == (100.0, 80.0, 90.0)


def test_a_frozen_worker_offers_no_slot() -> None:
    away = replace(GOOD.absences[0], worker="two", begins=110.0, ends=130.0)
    (frozen,) = recoveries(replace(GOOD, absences=[*GOOD.absences, away]))
    assert frozen.seconds == 80.0


def test_after_an_outage_a_loss_may_be_noticed_a_lease_later() -> None:
    late = first(trials=[LOST, replace(AFTER_LOSS, started_at=400.0, finished_at=410.0)])
    assert "longest recovery, lost" in broken(late)
    assert broken(replace(late, blackouts=[(110.0, 210.0)])) == set()


@pytest.mark.parametrize(
    ("seconds", "share", "value"),
    [([], 0.5, None), ([3.0], 0.5, 3.0), ([4.0, 1.0, 2.0, 3.0], 0.5, 2.0), ([1.0, 9.0], 1.0, 9.0)],
)
def test_a_percentile_is_one_of_the_values(seconds: list[float], share: float, value: float | None) -> None:
    assert percentile(seconds, share) == value


def test_the_plain_trial_is_never_late() -> None:
    assert [recovery.trial for recovery in recoveries(GOOD)] == [LOST.name]
    assert PLAIN.state is TrialState.GRADED


@pytest.mark.parametrize(("claimed_at", "breaches"), [(100.5, set()), (101.5, {"taken back without a cause"})])
def test_what_a_worker_claims_while_it_is_being_ended_is_lost_with_it(claimed_at: float, breaches: set[str]) -> None:
    blow = replace(GOOD.absences[0], struck=101.0)
    claimed = first(trials=[replace(LOST, started_at=claimed_at), AFTER_LOSS])
    found = broken(replace(claimed, absences=[blow], entries=GOOD.entries[1:]))
    assert found & {"taken back without a cause"} == breaches
