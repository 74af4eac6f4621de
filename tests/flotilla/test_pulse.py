"""The heartbeat against a real PostgreSQL and a real queue endpoint: what waits is sent, what is lost comes back."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from flotilla.archive import Limits, pack
from flotilla.layout import BundleFormat, Layout
from flotilla.pulse import Beat, Pulse, keep_beating
from flotilla.queue import QueueUnavailable, RunQueue, sqs_client
from flotilla.states import Priority, RunState, TrialState, WaitingOn, WorkerState
from flotilla.store.dispatching import forget_messages
from flotilla.store.jobs import cancel_job
from flotilla.store.workers import list_workers
from flotilla.sweeping import FILE_SECONDS
from tests.flotilla.fleet import Fleet

LEASE_SECONDS = 90


@pytest.fixture
def queue(sqs_url: str, queue_name: str) -> RunQueue:
    client = sqs_client(endpoint_url=sqs_url, region="us-east-1")
    urls = {priority: client.create_queue(QueueName=f"{queue_name}-{priority}")["QueueUrl"] for priority in Priority}
    return RunQueue(client, urls=urls)


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    return Fleet(engine)


@pytest.fixture
def pulse(engine: Engine, queue: RunQueue, tmp_path: Path) -> Pulse:
    return _pulse(engine, queue, tmp_path)


def _pulse(engine: Engine, queue: RunQueue, place: Path) -> Pulse:
    return Pulse(engine=engine, queue=queue, layout=Layout(place), lease_seconds=LEASE_SECONDS, limits=Limits())


def _sent(queue: RunQueue, priority: Priority = Priority.NORMAL) -> list[str]:
    received = queue.receive(priority, most=10, wait_seconds=0, visibility_seconds=60)
    return sorted(message.run_id for message in received.messages)


def test_a_beat_sends_what_waits_and_marks_it_as_queued(pulse: Pulse, queue: RunQueue, fleet: Fleet) -> None:
    runs = fleet.job(runs=3)
    assert pulse.beat().queued == 3
    assert _sent(queue) == runs
    assert {(fleet.row(run).state, fleet.row(run).waiting_on) for run in runs} == {(RunState.QUEUED, WaitingOn.WORKER)}


def test_a_second_beat_sends_nothing_again(pulse: Pulse, fleet: Fleet) -> None:
    fleet.job(runs=3)
    pulse.beat()
    assert pulse.beat().queued == 0


def test_a_job_of_high_priority_goes_to_its_own_queue(pulse: Pulse, queue: RunQueue, fleet: Fleet) -> None:
    high, normal = fleet.job(priority=Priority.HIGH), fleet.job()
    pulse.beat()
    assert _sent(queue, Priority.HIGH) == high
    assert _sent(queue) == normal


def test_more_runs_than_one_round_takes_are_all_sent(pulse: Pulse, queue: RunQueue, fleet: Fleet) -> None:
    fleet.job(runs=2_345)
    assert pulse.beat().queued == 2_345
    assert queue.depth(Priority.NORMAL).visible == 2_345


def test_a_cancelled_run_is_not_sent(pulse: Pulse, queue: RunQueue, fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda connection: cancel_job(connection, job_id=fleet.row(run_id).job_id))
    pulse.beat()
    assert _sent(queue) == []


def test_a_run_of_a_lost_worker_is_taken_back_and_sent_in_the_same_beat(
    pulse: Pulse, queue: RunQueue, fleet: Fleet
) -> None:
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker(), lease_seconds=-1)
    beat = pulse.beat()
    assert (beat.taken_back, beat.queued) == (1, 1)
    assert _sent(queue) == [run_id]
    assert [trial.state for trial in fleet.trials(run_id)] == [TrialState.LOST]


def test_a_worker_that_was_silent_for_a_whole_lease_is_lost(pulse: Pulse, fleet: Fleet) -> None:
    fleet.worker("silent")
    fleet.worker("living")
    fleet.do(lambda c: c.execute(text("UPDATE workers SET seen_at = now() - interval '91 s' WHERE name = 'silent'")))
    assert pulse.beat().silent_workers == 1
    states = {worker.name: worker.state for worker in fleet.do(lambda c: list_workers(c, gone=True))}
    assert states == {"silent": WorkerState.LOST, "living": WorkerState.ACCEPTING}


def _leader(fleet: Fleet, change: str) -> None:
    fleet.do(lambda connection: connection.execute(text(f"UPDATE leaders SET {change}")))


def test_after_a_gap_no_lease_expires_and_no_worker_is_silent_for_one_whole_lease(pulse: Pulse, fleet: Fleet) -> None:
    pulse.beat()
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker(), lease_seconds=-1)
    fleet.do(lambda c: c.execute(text("UPDATE workers SET seen_at = now() - interval '91 s'")))
    _leader(fleet, "good_at = now() - interval '31 s'")
    for _ in range(2):  # the second tick follows a good one, and is quiet still
        beat = pulse.beat()
        assert (beat.quiet, beat.taken_back, beat.silent_workers) == (True, 0, 0)
    _leader(fleet, f"quiet_until = quiet_until - interval '{LEASE_SECONDS} s'")
    beat = pulse.beat()
    assert (beat.quiet, beat.taken_back, beat.silent_workers) == (False, 1, 1)


def test_a_gap_that_a_tick_or_two_explain_is_none(pulse: Pulse, fleet: Fleet) -> None:
    pulse.beat()
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker(), lease_seconds=-1)
    _leader(fleet, "good_at = now() - interval '29 s'")
    assert pulse.beat().taken_back == 1


def test_a_gap_counts_whoever_led_before(engine: Engine, queue: RunQueue, tmp_path: Path, fleet: Fleet) -> None:
    first, second = _pulse(engine, queue, tmp_path), _pulse(engine, queue, tmp_path)
    first.beat()
    _leader(fleet, "good_at = now() - interval '31 s', expires_at = now()")
    assert second.beat().quiet


def test_there_is_work_while_a_run_is_open_or_a_worker_lives(pulse: Pulse, fleet: Fleet) -> None:
    assert not pulse.beat().work
    (run_id,) = fleet.job()
    assert pulse.beat().work
    fleet.do(lambda connection: cancel_job(connection, job_id=fleet.row(run_id).job_id))
    assert not pulse.beat().work
    fleet.worker()
    assert pulse.beat().work


def test_whoever_does_not_lead_can_still_send(pulse: Pulse, engine: Engine, queue: RunQueue, tmp_path: Path) -> None:
    pulse.beat()
    (run_id,) = Fleet(engine).job()
    assert _pulse(engine, queue, tmp_path).send() == 1
    assert _sent(queue) == [run_id]


def test_runs_whose_messages_were_lost_with_the_queue_are_sent_again(
    pulse: Pulse, queue: RunQueue, fleet: Fleet
) -> None:
    runs = fleet.job(runs=2)
    pulse.beat()
    assert _sent(queue) == runs
    fleet.do(forget_messages)
    pulse.beat()
    assert _sent(queue) == runs


def test_only_one_of_two_pulses_leads_until_it_resigns(
    engine: Engine, queue: RunQueue, tmp_path: Path, fleet: Fleet
) -> None:
    first, second = _pulse(engine, queue, tmp_path), _pulse(engine, queue, tmp_path)
    assert first.beat().led
    assert second.beat() == Beat(led=False)
    assert first.beat().led
    first.resign()
    assert second.beat().led


def test_a_crash_between_sending_and_marking_loses_nothing(
    engine: Engine, queue: RunQueue, tmp_path: Path, fleet: Fleet
) -> None:
    (run_id,) = fleet.job()
    queue.send(Priority.NORMAL, [run_id], group="default")  # and here the pulse died
    _pulse(engine, queue, tmp_path).beat()
    assert _sent(queue) == [run_id, run_id]
    assert fleet.row(run_id).state == RunState.QUEUED


def _one_beat(pulse: Pulse) -> Beat | Exception:
    seen: list[Beat | Exception] = []
    keep_beating(pulse, wait=lambda _: True, report=seen.append)
    (beat,) = seen
    return beat


def test_a_beat_that_fails_is_reported_and_the_next_one_makes_up_for_it(
    engine: Engine, queue: RunQueue, sqs_url: str, tmp_path: Path, fleet: Fleet
) -> None:
    nowhere = dict.fromkeys(Priority, "http://127.0.0.1:1/nowhere")
    client = sqs_client(endpoint_url="http://127.0.0.1:1", region="us-east-1")
    (run_id,) = fleet.job()
    assert isinstance(_one_beat(_pulse(engine, RunQueue(client, urls=nowhere), tmp_path)), QueueUnavailable)
    assert fleet.row(run_id).state == RunState.PENDING
    assert _one_beat(_pulse(engine, queue, tmp_path)) == Beat(led=True, queued=1, work=True)


def test_a_job_gets_its_task_directory_off_the_request(pulse: Pulse, fleet: Fleet, tmp_path: Path) -> None:
    (run_id,) = fleet.job(filled=False)
    job_id, layout = fleet.row(run_id).job_id, Layout(tmp_path)
    archive = layout.job_bundle(job_id, BundleFormat.ZIP)
    archive.parent.mkdir(parents=True)
    with archive.open("wb") as file:
        pack(Path("examples/tasks/hello"), file)
    assert pulse.beat().filled == 1
    assert (layout.job_task(job_id) / "task.toml").read_bytes() == Path("examples/tasks/hello/task.toml").read_bytes()
    assert pulse.beat().filled == 0


def test_an_upload_that_nobody_completed_is_swept_with_the_beat(
    engine: Engine, queue: RunQueue, tmp_path: Path, fleet: Fleet
) -> None:
    layout = Layout(tmp_path)
    layout.uploads.mkdir()
    (layout.uploads / "half").write_bytes(b"half")
    a_day_on = time.time() + FILE_SECONDS + 1
    pulse = replace(_pulse(engine, queue, tmp_path), clock=lambda: a_day_on)
    assert pulse.beat().swept == 1
