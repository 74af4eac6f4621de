"""What a large job costs: a bounded number of statements to accept it, and to send it a tenth as many calls as runs."""

from collections import Counter
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from flotilla.dispatch import RUNS_A_ROUND, dispatch, send_startable
from flotilla.states import Priority, RunState
from tests.flotilla.fleet import Fleet
from tests.run_queues import RunQueues
from tests.traffic import calls, statements


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    return Fleet(engine)


def kinds(sent: Sequence[str]) -> Counter[str]:
    return Counter(statement.split()[0] for statement in sent)


def test_a_job_is_written_in_as_many_statements_whatever_its_size(fleet: Fleet) -> None:
    with statements(fleet.engine) as small:
        fleet.job(runs=1)
    with statements(fleet.engine) as large:
        fleet.job(runs=10_000)
    assert kinds(large) == kinds(small) == {"INSERT": 2, "UPDATE": 1, "SELECT": 1}  # laid out, and asked for its runs


def test_runs_are_sent_ten_a_call_and_marked_a_thousand_a_statement(fleet: Fleet, run_queues: RunQueues) -> None:
    fleet.job(runs=2 * RUNS_A_ROUND + 5)
    queue = run_queues.queue
    with statements(fleet.engine) as sent, calls(queue) as made:
        assert dispatch(fleet.engine, queue) == 2 * RUNS_A_ROUND + 5
    assert kinds(sent) == {"SELECT": 3, "WITH": 3}
    assert made == ["SendMessageBatch"] * 201


def test_runs_that_are_given_back_together_are_sent_together(fleet: Fleet, run_queues: RunQueues) -> None:
    runs, queue = fleet.job(runs=60), run_queues.queue
    with statements(fleet.engine) as sent, calls(queue) as made:
        assert send_startable(fleet.engine, queue, runs) == 60
    assert len(sent) == 2
    assert made == ["SendMessageBatch"] * 6
    assert {fleet.row(run_id).state for run_id in runs} == {RunState.QUEUED}
    assert queue.depth(Priority.NORMAL).visible == 60
