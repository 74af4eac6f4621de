"""Real workers whose machines are to end: by spot, by the group, by systemd."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from flotilla.layout import BundleFormat
from flotilla.local.metadata import Metadata, serving
from flotilla.local.queues import queue_options
from tests.api.bundle import TASK
from tests.auto_scaling import HOOK, NAME, AutoScaling
from tests.auto_scaling_endpoint import serving as serving_group
from tests.conftest import StartSqs
from tests.worker_agent.machines import Machines, machines

GIVING_BACK_SECONDS = 2.0
READ_SECONDS = 2.0
ELSEWHERE_SECONDS = 30.0
LAST_SECONDS = 40.0


@pytest.fixture
def place(engine: Engine, start_sqs: StartSqs, tmp_path: Path) -> Iterator[Machines]:
    """With a queue and a metadata endpoint of its own."""
    metadata = Metadata()
    with (
        start_sqs(*queue_options()) as sqs,
        serving(metadata) as url,
        machines(engine, sqs_url=sqs.url, metadata=metadata, metadata_url=url, root=tmp_path) as place,
    ):
        yield place


def graded(place: Machines, run_id: str) -> bool:
    return bool(place.run(run_id).state == "graded")


def test_what_ends_before_the_last_seconds_counts_and_the_rest_is_running_elsewhere_in_time(place: Machines) -> None:
    short, long = place.gate(), place.gate()
    (ending,), lasting = place.submit(short.task), place.submit(long.task, runs=3)
    place.start("i-1", FLOTILLA_SLOTS="4")
    place.until(lambda: all(place.has_begun(run) for run in (ending, *lasting)), "all four run")
    place.start("i-2")
    place.metadata.notify_spot("i-1", seconds=LAST_SECONDS + 3)
    short.open()
    place.until(
        lambda: all(len(place.trials(run)) == 2 for run in lasting),
        "others have them",
        seconds=3 + READ_SECONDS + ELSEWHERE_SECONDS,
    )
    place.until(lambda: all(place.has_begun(run, trial=2) for run in lasting), "they run again")
    long.open()
    place.until(lambda: all(graded(place, run) for run in (ending, *lasting)), "all are graded")
    assert [trial.worker for trial in place.trials(ending)] == ["i-1"]
    for run in lasting:
        first, second = place.trials(run)
        assert (first.worker, first.state, first.cause) == ("i-1", "preempted", "spot_reclaimed")
        assert (second.worker, second.state) == ("i-2", "graded")
        assert "begun" in place.agent_log(run, first.name)


def test_what_has_no_trial_yet_is_given_back_at_once(place: Machines) -> None:
    place.submit(TASK)
    (stuck,) = place.submit({**TASK, "instruction.md": "Its archive does not come.\n"}, send=False)
    archive = place.layout.job_bundle(place.run(stuck).job_id, BundleFormat.ZIP)
    archive.unlink()
    os.mkfifo(archive)
    place.send()
    place.start("i-1")
    place.until(lambda: len(place.trials(stuck)) == 1, "it is claimed, and waits for its archive")
    place.metadata.notify_spot("i-1", seconds=120)
    given_back = lambda: place.trials(stuck)[0].state == "preempted"  # noqa: E731
    place.until(given_back, "it is given back", seconds=READ_SECONDS + GIVING_BACK_SECONDS)
    assert place.run(stuck).state in {"pending", "queued"}


def test_after_a_rebalance_recommendation_it_finishes_what_it_has_and_receives_nothing(place: Machines) -> None:
    gate = place.gate()
    (running,) = place.submit(gate.task)
    place.start("i-1")
    place.until(lambda: place.has_begun(running), "it runs")
    place.metadata.recommend_rebalance("i-1")
    place.until(lambda: "rebalance=True" in place.log("i-1"), "it has read that")
    (later,) = place.submit(TASK)
    gate.open()
    place.until(lambda: graded(place, running), "what it had is graded")
    assert place.trials(later) == []
    place.start("i-2")
    place.until(lambda: graded(place, later), "another one takes what came later")
    assert [trial.worker for trial in (*place.trials(running), *place.trials(later))] == ["i-1", "i-2"]


@pytest.mark.parametrize("signals", [1, 2])
def test_told_to_stop_it_waits_for_the_drain_time_unless_told_twice(place: Machines, signals: int) -> None:
    gate = place.gate()
    (running,) = place.submit(gate.task)
    worker = place.start("i-1", FLOTILLA_DRAIN_SECONDS="1" if signals == 1 else "240")
    place.until(lambda: place.has_begun(running), "it runs")
    for _ in range(signals):
        worker.send_signal(signal.SIGTERM)
        place.until(lambda: worker.poll() is not None or place.worker("i-1") is not None, "it has its signal")
    assert worker.wait(30) == 0
    (trial,) = place.trials(running)
    assert (trial.state, trial.cause) == ("preempted", "spot_reclaimed")
    stopped = place.worker("i-1")
    assert stopped is not None
    assert stopped.state == "stopped"


@pytest.fixture
def group() -> Iterator[tuple[AutoScaling, dict[str, str]]]:
    """A group of two, and what its members' workers are told of it."""
    aws = AutoScaling(desired=2)
    with serving_group(aws) as url:
        yield aws, {"FLOTILLA_GROUP": NAME, "FLOTILLA_LIFECYCLE_HOOK": HOOK, "AWS_ENDPOINT_URL_AUTO_SCALING": url}


def test_an_idle_member_of_a_group_leaves_it_and_lets_its_machine_go(
    place: Machines, group: tuple[AutoScaling, dict[str, str]]
) -> None:
    aws, told = group
    worker = place.start("i-1", FLOTILLA_IDLE_SECONDS_NEVER_WORKED="1", **told)
    place.until(lambda: aws.terminating() == ["i-1"], "it leaves")
    assert (aws.desired, aws.in_service()) == (1, ["i-2"])
    assert worker.poll() is None, "it waits for its machine's end"
    place.metadata.set_lifecycle("Terminated", "i-1")
    assert worker.wait(30) == 0
    assert (aws.desired, aws.gone, aws.calls[-1]) == (1, ["i-1"], ("complete", "i-1"))


def test_a_member_that_its_group_ends_finishes_what_it_has_while_the_group_waits(
    place: Machines, group: tuple[AutoScaling, dict[str, str]]
) -> None:
    aws, told = group
    gate = place.gate()
    (running,) = place.submit(gate.task)
    worker = place.start("i-1", FLOTILLA_DRAIN_SECONDS="0", **told)
    place.until(lambda: place.has_begun(running), "it runs")
    aws.begin_termination("i-1")
    place.metadata.set_lifecycle("Terminated", "i-1")
    place.until(lambda: ("heartbeat", "i-1") in aws.calls, "it has the group wait")
    gate.open()
    place.until(lambda: aws.gone == ["i-1"], "it lets its machine go")
    assert worker.wait(30) == 0
    assert [trial.state for trial in place.trials(running)] == ["graded"]
    assert aws.calls == [("heartbeat", "i-1"), ("complete", "i-1")]


def test_a_worker_whose_nursery_dies_ends_its_trials_and_itself_so_that_it_is_started_anew(place: Machines) -> None:
    gate = place.gate()
    (running,) = place.submit(gate.task)
    worker = place.start("i-1")
    place.until(lambda: place.has_begun(running), "it runs")
    (nursery,) = children(worker.pid)
    trials = children(nursery)
    assert trials
    os.kill(nursery, signal.SIGKILL)
    assert worker.wait(30) == 1
    place.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in trials), "its trials are gone")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
