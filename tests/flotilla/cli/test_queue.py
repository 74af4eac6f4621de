"""`flotilla queue`: what the queues hold, and bringing back what died there."""

import json
from pathlib import Path

import pytest
import sqlalchemy

from flotilla import redriving
from flotilla.states import Priority
from tests.api.fleet import Fleet
from tests.flotilla.cli.conftest import Call
from tests.flotilla.cli.test_run import run_ids
from tests.run_queues import RunQueues

pytestmark = pytest.mark.usefixtures("server")


def bury_runs(call: Call, task: Path, *, engine: sqlalchemy.Engine, run_queues: RunQueues, runs: int) -> list[str]:
    call("run", "-p", str(task), "-a", "oracle", "-k", str(runs))
    buried = run_ids(engine)
    for run_id in buried:
        run_queues.bury(json.dumps({"run_id": run_id}))
    return buried


def test_queues_are_listed(call: Call, run_queues: RunQueues) -> None:
    run_queues.queue.send(Priority.HIGH, ["run_a", "run_b"], group="t")
    run_queues.bury("no JSON")
    lines = [line.split() for line in call("queue", "list").out.splitlines()]
    assert lines == [
        ["queue", "visible", "in", "flight", "delayed", "dead", "letters"],
        ["high", "2", "0", "0", "0"],
        ["normal", "0", "0", "0", "1"],
    ]
    items = json.loads(call("queue", "list", "--json").out)["items"]
    assert [(item["priority"], item["visible"], item["dead_letters"]) for item in items] == [
        ("high", 2, 0),
        ("normal", 0, 1),
    ]


def test_dead_letters_come_back_and_are_counted(
    call: Call, task: Path, engine: sqlalchemy.Engine, fleet: Fleet, run_queues: RunQueues
) -> None:
    first, *rest = bury_runs(call, task, engine=engine, run_queues=run_queues, runs=3)
    fleet.grade(fleet.start(first))
    run_queues.bury("no JSON")
    called = call("queue", "redrive")
    assert called.code == 0
    assert [line.split() for line in called.out.splitlines()[1:]] == [
        ["high", "0", "0", "0", "0"],
        ["normal", "2", "1", "1", "0"],
    ]
    assert run_queues.received() == rest


def test_it_goes_on_until_nothing_remains(
    call: Call,
    task: Path,
    engine: sqlalchemy.Engine,
    run_queues: RunQueues,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redriving, "SECONDS_A_QUEUE", 0.0)  # one batch a call
    bury_runs(call, task, engine=engine, run_queues=run_queues, runs=25)
    called = call("queue", "redrive", "--priority", "normal", "--json")
    (item,) = json.loads(called.out)["items"]
    assert (item["moved"], item["remaining"]) == (25, 0)
    assert run_queues.dead() == 0


def test_a_queue_that_is_none_is_a_usage_error(call: Call) -> None:
    called = call("queue", "redrive", "--priority", "low")
    assert called.code == 2
