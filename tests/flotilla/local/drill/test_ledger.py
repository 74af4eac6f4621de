"""The two ledgers: lines that sandboxed trials write over loopback, and what an engine tells of its containers."""

import json
import socket
from typing import Any

import pytest

from flotilla.local.drill.engine_ledger import EngineLedger
from flotilla.local.drill.ledger import Entry, Ledger, Phase
from flotilla.local.drill.ledger_server import read_line, serving

KEY = "a-key"
PLACE = "/data/workers/worker-1-abcd/trials/task__x1/trials/task__x1/agent/"
BEGUN = Entry(at=7.0, phase=Phase.AGENT_BEGUN, nonce=42, trial="task__x1", worker="worker-1-abcd")


def test_a_line_names_trial_and_worker_by_the_place_that_the_kernel_shows() -> None:
    assert read_line(f"{KEY} 42 {PLACE} agent begun\n", key=KEY, at=7.0) == BEGUN


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"another-key 42 {PLACE} agent begun",
        f"{KEY} forty-two {PLACE} agent begun",
        f"{KEY} 42 /somewhere/else agent begun",
        f"{KEY} 42 {PLACE} agent bored",
        f"ключ 42 {PLACE} agent begun",
    ],
)
def test_what_no_trial_of_the_drill_writes_is_not_taken(line: str) -> None:
    assert read_line(line, key=KEY, at=7.0) is None


def test_who_writes_over_loopback_is_told_that_it_is_written() -> None:
    ledger = Ledger()
    with serving(ledger, clock=lambda: 7.0) as address:
        with socket.create_connection(("127.0.0.1", address.port)) as trial:
            trial.sendall(f"{address.key} 42 {PLACE} agent begun\n".encode())
            assert trial.recv(100) == b"written\n"
        with socket.create_connection(("127.0.0.1", address.port)) as stranger:
            stranger.sendall(f"guessed 42 {PLACE} agent ended\n".encode())
            assert stranger.recv(100) == b""
    assert ledger.entries() == (BEGUN,)


def test_progress_is_made_by_beginning_and_by_ending() -> None:
    ledger = Ledger()
    assert ledger.progress(runs=2) == 0.0
    for phase, progress in [(Phase.AGENT_BEGUN, 0.25), (Phase.AGENT_ENDED, 0.25), (Phase.VERIFIER_ENDED, 0.5)]:
        ledger.write(Entry(at=1.0, phase=phase, nonce=1, trial="a", worker="w"))
        assert ledger.progress(runs=2) == progress


def test_trials_run_from_their_beginning_to_their_end_on_their_worker() -> None:
    ledger = Ledger()
    for at, trial, phase in [
        (1.0, "dead", Phase.AGENT_BEGUN),
        (5.0, "a", Phase.AGENT_BEGUN),
        (6.0, "b", Phase.AGENT_BEGUN),
        (7.0, "a", Phase.VERIFIER_ENDED),
    ]:
        ledger.write(Entry(at=at, phase=phase, nonce=1, trial=trial, worker="w"))
    assert (ledger.running("w", since=0.0), ledger.running("w", since=4.0), ledger.running("v", since=0.0)) == (2, 1, 0)


CONTAINER = "00000000002a" + 52 * "f"
SOLVE = "/bin/bash -c /solution/solve.sh > /logs/agent/oracle.txt 2>&1"
TEST = "/bin/bash -c (/tests/test.sh) > /logs/verifier/test-stdout.txt 2>&1"


def event(action: str, *, exec_id: str, worker: str = "worker-1-abcd") -> dict[str, Any]:
    attributes = {"execID": exec_id, "flotilla.worker": worker, "flotilla.trial": "task__x1"}
    words = {"Action": action, "Actor": {"ID": CONTAINER, "Attributes": attributes}, "timeNano": 7_000_000_000}
    read: dict[str, Any] = json.loads(json.dumps(words))
    return read


def test_an_engine_tells_each_phase_by_the_command_that_runs_in_the_container() -> None:
    ledger = Ledger()
    reader = EngineLedger(ledger, mark="-abcd")
    for told in [
        event("start", exec_id=""),
        event("exec_start: chmod +x /solution/solve.sh", exec_id="0"),
        event("exec_die", exec_id="0"),
        event(f"exec_create: {SOLVE}", exec_id="1"),
        event(f"exec_start: {SOLVE}", exec_id="1"),
        event("exec_die", exec_id="1"),
        event(f"exec_start: {TEST}", exec_id="2"),
        event("exec_die", exec_id="2"),
        event(f"exec_start: {SOLVE}", exec_id="3", worker="worker-1-0000"),
    ]:
        reader.read(told)
    assert [entry.phase for entry in ledger.entries()] == list(Phase)
    assert ledger.entries()[0] == BEGUN
