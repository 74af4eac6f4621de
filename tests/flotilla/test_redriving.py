"""Dead letters come back to their queue, as far as there is a run that waits for them."""

import json
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import Engine

from flotilla.queue import QueueUnavailable, RunQueue, sqs_client
from flotilla.redriving import SECONDS_A_QUEUE, Redriven, redrive
from flotilla.states import Priority, RunState
from flotilla.store.dispatching import mark_sent
from flotilla.store.jobs import cancel_job
from flotilla.store.undelivered import undelivered
from tests.flotilla.fleet import Fleet
from tests.run_queues import RunQueues

NORMAL, HIGH = Priority.NORMAL, Priority.HIGH


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    return Fleet(engine)


def buried(fleet: Fleet, run_queues: RunQueues, *, runs: int = 1, priority: Priority = NORMAL) -> list[str]:
    """Queued runs whose messages are dead."""
    run_ids = fleet.job(runs=runs, priority=priority)
    fleet.do(lambda c: mark_sent(c, run_ids))
    for run_id in run_ids:
        run_queues.bury(json.dumps({"run_id": run_id}), priority=priority)
    return run_ids


def test_waiting_runs_are_on_their_queue_again_and_the_letters_are_gone(
    engine: Engine, fleet: Fleet, run_queues: RunQueues
) -> None:
    high = buried(fleet, run_queues, runs=3, priority=HIGH)
    normal = buried(fleet, run_queues)
    assert redrive(engine, run_queues.queue, HIGH) == Redriven(priority=HIGH, moved=3)
    assert (run_queues.received(HIGH), run_queues.received(NORMAL)) == (high, [])
    assert (run_queues.dead(HIGH), run_queues.dead(NORMAL)) == (0, 1)
    assert redrive(engine, run_queues.queue, NORMAL) == Redriven(priority=NORMAL, moved=1)
    assert run_queues.received(NORMAL) == normal
    assert {fleet.row(run_id).state for run_id in (*high, *normal)} == {RunState.QUEUED}


def test_a_run_that_was_delivered_anew_before_may_die_once_more(
    engine: Engine, fleet: Fleet, run_queues: RunQueues
) -> None:
    (run_id,) = buried(fleet, run_queues)
    fleet.do(lambda c: undelivered(c, run_id=run_id, sent_at=datetime.now(UTC)))
    assert fleet.row(run_id).redelivered_at is not None
    assert redrive(engine, run_queues.queue, NORMAL).moved == 1
    assert fleet.row(run_id).redelivered_at is None


def test_runs_that_run_or_have_ended_are_left_alone_and_their_letters_go(
    engine: Engine, fleet: Fleet, run_queues: RunQueues
) -> None:
    (running,), (cancelled,) = buried(fleet, run_queues), buried(fleet, run_queues)
    fleet.claimed(running, fleet.worker())
    fleet.do(lambda c: cancel_job(c, job_id=fleet.row(cancelled).job_id))
    run_queues.bury(json.dumps({"run_id": "run_of_another_fleet"}))
    assert redrive(engine, run_queues.queue, NORMAL) == Redriven(priority=NORMAL, left_alone=3)
    assert [fleet.row(run_id).state for run_id in (running, cancelled)] == [RunState.RUNNING, RunState.CANCELLED]
    assert (run_queues.received(), run_queues.dead()) == ([], 0)


def test_what_cannot_be_read_is_counted_and_stays_for_who_reports_it(
    engine: Engine, fleet: Fleet, run_queues: RunQueues
) -> None:
    run_queues.bury("no JSON")
    run_ids = buried(fleet, run_queues)
    assert redrive(engine, run_queues.queue, NORMAL) == Redriven(priority=NORMAL, moved=1, unreadable=1)
    assert (run_queues.received(), run_queues.dead()) == (run_ids, 1)


def test_when_the_time_is_over_it_says_how_many_remain(engine: Engine, fleet: Fleet, run_queues: RunQueues) -> None:
    buried(fleet, run_queues, runs=25)
    ticks = count(step=SECONDS_A_QUEUE)
    done = redrive(engine, run_queues.queue, NORMAL, clock=lambda: next(ticks))
    assert done == Redriven(priority=NORMAL, moved=10, remaining=15)
    assert redrive(engine, run_queues.queue, NORMAL) == Redriven(priority=NORMAL, moved=15)


def test_a_queue_that_is_away_is_named(engine: Engine) -> None:
    client = sqs_client(endpoint_url="http://127.0.0.1:9", region="us-east-1", brief=True)
    with pytest.raises(QueueUnavailable, match="cannot be reached"):
        redrive(engine, RunQueue(client, urls={NORMAL: "http://127.0.0.1:9/0/runs"}), NORMAL)
    client.close()
