"""A run whose message has vanished is sent again, and no other is."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.pulse import Pulse
from flotilla.queue import RunQueue, sqs_client
from flotilla.rescue import ELSEWHERE_SECONDS, NEAR_RETENTION_SECONDS, STARVED_SECONDS, Verdict, judge
from flotilla.states import Priority, RunState, TrialState, WaitingOn, WorkerState
from flotilla.store.endings import Ending
from flotilla.store.leases import renew
from flotilla.store.rescuing import Waiting
from tests.flotilla.fleet import LEASE_SECONDS, Fleet

GRADED = Ending(state=TrialState.GRADED, rewards={"reward": 1.0})
BOUND_SECONDS = 60


@pytest.mark.parametrize(
    ("queued", "free", "visible", "starved_seconds", "verdict"),
    [
        (1, 1, 0, 0, Verdict(starves=True, vanished=False)),
        (1, 1, 0, STARVED_SECONDS - 1, Verdict(starves=True, vanished=False)),
        (1, 1, 0, STARVED_SECONDS, Verdict(starves=True, vanished=True)),
        (0, 1, 0, STARVED_SECONDS, Verdict(starves=False, vanished=False)),
        (1, 0, 0, STARVED_SECONDS, Verdict(starves=False, vanished=False)),
        (1, 1, 1, STARVED_SECONDS, Verdict(starves=False, vanished=False)),
    ],
)
def test_messages_have_vanished_when_free_slots_queued_runs_and_nothing_to_receive_last(
    queued: int, free: int, visible: int, starved_seconds: float, verdict: Verdict
) -> None:
    assert judge(Waiting(queued=queued, free=free, starved_seconds=starved_seconds), visible=visible) == verdict


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
    return Pulse(
        engine=engine, queue=queue, layout=Layout(tmp_path), lease_seconds=LEASE_SECONDS, limits=Limits(), holder="one"
    )


def _take_all(queue: RunQueue) -> list[str]:
    """Receives and deletes what is visible."""
    received = queue.receive(Priority.NORMAL, most=10, wait_seconds=0, visibility_seconds=60)
    queue.delete(received.messages)
    return sorted(message.run_id for message in received.messages)


def _later(fleet: Fleet, seconds: float) -> None:
    """As if the runs had been sent, and the fleet had starved, for so much longer; the pulse ticked meanwhile."""
    for change in ("runs SET queued_at = queued_at", "leaders SET starved_since = starved_since"):
        later = text(f"UPDATE {change} - make_interval(secs => :seconds)")
        fleet.do(lambda c, later=later: c.execute(later, {"seconds": seconds}))  # type: ignore[misc]


@pytest.fixture
def vanished(fleet: Fleet, pulse: Pulse, queue: RunQueue) -> str:
    """A queued run without a message, and a worker with free slots."""
    (run_id,) = fleet.job()
    fleet.worker()
    pulse.beat()
    assert _take_all(queue) == [run_id]
    pulse.beat()
    return run_id


def test_a_run_whose_message_vanished_is_sent_again_after_two_minutes(
    fleet: Fleet, pulse: Pulse, queue: RunQueue, vanished: str
) -> None:
    _later(fleet, STARVED_SECONDS - 10)
    assert pulse.beat().rescued == 0
    _later(fleet, 10)
    assert pulse.beat().rescued == 1
    assert fleet.row(vanished).state == RunState.QUEUED
    assert _take_all(queue) == [vanished]


def test_it_is_sent_once_and_not_at_every_tick(fleet: Fleet, pulse: Pulse, queue: RunQueue, vanished: str) -> None:
    _later(fleet, STARVED_SECONDS)
    assert [pulse.beat().rescued for _ in range(3)] == [1, 0, 0]
    assert _take_all(queue) == [vanished]


def test_a_run_that_was_sent_just_now_is_not_sent_again(
    fleet: Fleet, pulse: Pulse, queue: RunQueue, vanished: str
) -> None:
    _later(fleet, STARVED_SECONDS)
    (fresh,) = fleet.job()
    pulse.send()
    assert _take_all(queue) == [fresh]
    assert pulse.beat().rescued == 1
    assert _take_all(queue) == [vanished]


def test_nothing_is_sent_again_while_messages_can_be_received(fleet: Fleet, pulse: Pulse, queue: RunQueue) -> None:
    (run_id,) = fleet.job()
    fleet.worker()
    for _ in range(2):
        pulse.beat()
        _later(fleet, STARVED_SECONDS)
    assert pulse.beat().rescued == 0
    assert _take_all(queue) == [run_id]


@pytest.mark.parametrize("state", [WorkerState.DRAINING, WorkerState.UNFIT])
def test_nothing_is_sent_again_while_nobody_could_receive_it(
    fleet: Fleet, pulse: Pulse, vanished: str, state: WorkerState
) -> None:
    worker_id = fleet.worker()  # the same name: the accepting one is gone
    fleet.do(lambda c: renew(c, worker_id=worker_id, lease_seconds=90, busy=0, state=state, reason="a test"))
    _later(fleet, STARVED_SECONDS)
    assert pulse.beat().rescued == 0
    assert fleet.row(vanished).state == RunState.QUEUED


def test_the_two_minutes_begin_anew_after_a_gap(fleet: Fleet, pulse: Pulse, vanished: str) -> None:
    _later(fleet, STARVED_SECONDS)
    fleet.do(lambda c: c.execute(text("UPDATE leaders SET good_at = now() - interval '31 s'")))
    beat = pulse.beat()
    assert (beat.quiet, beat.rescued) == (True, 0)
    fleet.do(lambda c: c.execute(text("UPDATE leaders SET quiet_until = now()")))
    assert pulse.beat().rescued == 0
    _later(fleet, STARVED_SECONDS)
    assert pulse.beat().rescued == 1
    assert fleet.row(vanished).state == RunState.QUEUED


def test_a_run_that_waits_on_another_host_is_sent_again_later(fleet: Fleet, pulse: Pulse, vanished: str) -> None:
    word = {"word": WaitingOn.OTHER_HOST}
    fleet.do(lambda c: c.execute(text("UPDATE runs SET waiting_on = CAST(:word AS waiting_on)"), word))
    _later(fleet, ELSEWHERE_SECONDS - 10)
    assert pulse.beat().rescued == 0
    _later(fleet, 10)
    assert pulse.beat().rescued == 1
    assert fleet.row(vanished).waiting_on == WaitingOn.WORKER


def test_a_run_is_sent_again_before_its_queue_forgets_it(fleet: Fleet, pulse: Pulse, queue: RunQueue) -> None:
    (run_id,) = fleet.job()  # and no worker: nobody starves
    pulse.beat()
    _later(fleet, NEAR_RETENTION_SECONDS - 10)
    assert pulse.beat().rescued == 0
    _later(fleet, 10)
    assert pulse.beat().rescued == 1
    assert _take_all(queue) == [run_id, run_id]


def test_no_more_are_sent_again_in_one_tick_than_it_has_time_for(
    fleet: Fleet, pulse: Pulse, queue: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flotilla.rescue.MOST_A_TICK", 2)
    fleet.job(runs=3)
    pulse.beat()
    _later(fleet, NEAR_RETENTION_SECONDS)
    assert [pulse.beat().rescued for _ in range(3)] == [2, 1, 0]


def test_a_half_published_trial_is_lost_and_never_adopted(fleet: Fleet, pulse: Pulse, tmp_path: Path) -> None:
    (run_id,) = fleet.job()
    half = fleet.claimed(run_id, fleet.worker("dead"), lease_seconds=-1)
    directory = Layout(tmp_path).trial(half.job_id, half.number, half.trial_name)
    directory.mkdir(parents=True)
    (directory / "result.json").write_text('{"verifier_result": {"rewards": {"reward": 1.0}}}')
    assert pulse.beat().taken_back == 1
    assert (fleet.row(run_id).state, fleet.row(run_id).reward) == (RunState.QUEUED, None)
    other = fleet.claimed(run_id, fleet.worker("other")).lease
    fleet.finish(other, replace(GRADED, rewards={"reward": 0.0}))
    lost, graded = fleet.trials(run_id)
    assert (lost.state, lost.result, graded.state) == (TrialState.LOST, None, TrialState.GRADED)
    assert (fleet.row(run_id).reward, fleet.row(run_id).trial_id) == (0.0, other.trial_id)
    assert (directory / "result.json").is_file()


def _overlap(fleet: Fleet, pulse: Pulse) -> None:
    """Two pulses beat at the same moments, and each may lead."""
    together = threading.Barrier(2)
    may_lead = text("UPDATE leaders SET expires_at = now()")

    def beat(one: Pulse) -> None:
        for _ in range(5):
            together.wait(BOUND_SECONDS)
            one.beat()
            fleet.do(lambda c: c.execute(may_lead))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(beat, [replace(pulse, holder="one"), replace(pulse, holder="two")]))


def test_pulses_that_overlap_take_back_each_run_once(fleet: Fleet, pulse: Pulse, queue: RunQueue) -> None:
    run_ids, dead = fleet.job(runs=9), fleet.worker("dead")
    for run_id in run_ids:
        fleet.claimed(run_id, dead, lease_seconds=-1)
    _overlap(fleet, pulse)
    assert {(fleet.row(run_id).state, fleet.row(run_id).lost) for run_id in run_ids} == {(RunState.QUEUED, 1)}
    assert set(_take_all(queue)) <= set(run_ids)


def test_pulses_that_overlap_rescue_each_run_once(fleet: Fleet, pulse: Pulse, queue: RunQueue) -> None:
    run_ids = fleet.job(runs=9)
    fleet.worker()
    pulse.beat()
    assert _take_all(queue) == run_ids
    pulse.beat()
    _later(fleet, STARVED_SECONDS)
    _overlap(fleet, pulse)
    assert _take_all(queue) == run_ids
