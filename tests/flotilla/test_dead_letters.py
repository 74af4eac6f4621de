"""The office where nobody brings it letters: what is settled is gone from the queue, and what fails stays."""

import json
import logging

import pytest
from sqlalchemy import Engine, text

from flotilla.causes import Cause
from flotilla.dead_letters import DeadLetterOffice
from flotilla.states import Priority, RunState
from flotilla.store.dispatching import mark_sent
from tests.flotilla.fleet import Fleet
from tests.run_queues import RunQueues

NORMAL = Priority.NORMAL


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    return Fleet(engine)


@pytest.fixture
def office(engine: Engine, run_queues: RunQueues) -> DeadLetterOffice:
    return DeadLetterOffice(engine=engine, queue=run_queues.queue)


def queued(fleet: Fleet) -> str:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    return run_id


def letter(run_id: str) -> str:
    return json.dumps({"run_id": run_id})


def test_a_waiting_run_is_sent_anew_and_ends_when_that_repeats(
    office: DeadLetterOffice, fleet: Fleet, run_queues: RunQueues
) -> None:
    run_id = queued(fleet)
    run_queues.bury(letter(run_id))
    assert office.empty(NORMAL) == 1
    assert run_queues.received() == [run_id]
    assert (fleet.row(run_id).state, run_queues.dead()) == (RunState.QUEUED, 0)
    run_queues.bury(letter(run_id))
    assert office.empty(NORMAL) == 1
    assert (fleet.row(run_id).state, fleet.row(run_id).cause) == (RunState.ERRORED, Cause.DELIVERY_EXHAUSTED)
    assert (run_queues.received(), run_queues.dead()) == ([], 0)


def test_what_cannot_be_read_is_told_once_and_is_gone(
    office: DeadLetterOffice, run_queues: RunQueues, caplog: pytest.LogCaptureFixture
) -> None:
    run_queues.bury("no JSON")
    assert (office.empty(NORMAL), office.empty(NORMAL)) == (1, 0)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["no JSON" in record.getMessage() for record in told] == [True]
    assert run_queues.dead() == 0


def test_more_letters_than_a_batch_holds_are_settled(
    office: DeadLetterOffice, fleet: Fleet, run_queues: RunQueues
) -> None:
    for run_id in fleet.job(runs=25):
        run_queues.bury(letter(run_id))
    assert office.empty(NORMAL) == 25
    assert run_queues.dead() == 0


def test_what_cannot_be_settled_now_stays_and_holds_up_nobody(
    office: DeadLetterOffice, fleet: Fleet, run_queues: RunQueues
) -> None:
    failing, good = queued(fleet), queued(fleet)
    for run_id in (failing, good):
        run_queues.bury(letter(run_id))
    refuse = f"ALTER TABLE runs ADD CHECK (id <> '{failing}' OR redelivered_at IS NULL)"
    fleet.do(lambda c: c.execute(text(refuse)))
    assert office.empty(NORMAL) == 1
    assert run_queues.received() == [good]
    assert run_queues.dead() == 1
