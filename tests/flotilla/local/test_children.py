"""Programs kept running: started again when they die, later each time, and killed if they do not stop."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotilla.local.children import FIRST_BACKOFF, HEALTHY_SECONDS, LONGEST_BACKOFF, Child, Program
from tests.flotilla.local.running_stack import until


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "program.log"


def child_of(code: str, *, log: Path, clock: Clock, stop_seconds: float = 20.0) -> Child:
    variables = {"PATH": os.environ["PATH"], "GIVEN": "this"}
    program = Program(
        name="program", arguments=["-u", "-c", code], environment=variables, log=log, stop_seconds=stop_seconds
    )
    return Child(program, clock=clock)


@pytest.fixture
def sleeper(log: Path, clock: Clock) -> Iterator[Child]:
    child = child_of("import time; time.sleep(600)", log=log, clock=clock)
    child.start()
    yield child
    child.send_signal(signal.SIGKILL)
    child.await_end()


def die(child: Child) -> None:
    child.send_signal(signal.SIGKILL)
    until(lambda: not child.is_running, "it has died")


def test_a_program_that_runs_is_left_alone(sleeper: Child) -> None:
    former = sleeper.pid
    assert not sleeper.tend()
    assert sleeper.pid == former


def test_a_dead_program_is_started_again_after_a_pause_that_doubles_up_to_a_bound(sleeper: Child, clock: Clock) -> None:
    pauses = []
    for _ in range(7):
        die(sleeper)
        assert not sleeper.tend()
        died_at = clock.now
        while not sleeper.tend():
            clock.now += FIRST_BACKOFF
        pauses.append(clock.now - died_at)
    assert pauses == [min(FIRST_BACKOFF * 2**times, LONGEST_BACKOFF) for times in range(7)]


def test_a_program_that_lived_long_enough_is_started_again_quickly(sleeper: Child, clock: Clock) -> None:
    for _ in range(3):
        die(sleeper)
        sleeper.tend()
        clock.now += LONGEST_BACKOFF
        assert sleeper.tend()
    clock.now += HEALTHY_SECONDS + 1
    die(sleeper)
    sleeper.tend()
    clock.now += FIRST_BACKOFF
    assert sleeper.tend()


def test_a_program_that_does_not_stop_is_killed(log: Path, clock: Clock) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    child = child_of(deaf, log=log, clock=clock, stop_seconds=0.1)
    child.start()
    until(lambda: "deaf" in child.log_tail(), "it does not listen any more")
    child.send_signal(signal.SIGTERM)
    child.await_end()
    assert not child.is_running


def test_what_it_writes_and_what_it_was_given_is_in_its_log(log: Path, clock: Clock) -> None:
    child = child_of("import os, sys; print(os.environ['GIVEN']); sys.exit('that')", log=log, clock=clock)
    child.start()
    child.await_end()
    assert child.log_tail().splitlines() == ["this", "that"]
