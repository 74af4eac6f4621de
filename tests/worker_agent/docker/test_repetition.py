"""What passes by itself is tried again, as often as is bearable, and only where a second time does no harm."""

import asyncio

import pytest

from worker_agent.docker import repetition
from worker_agent.docker.errors import AnswerLostError, EngineError, EngineUnavailableError, NotReachedError
from worker_agent.docker.repetition import ATTEMPTS, compose_may_repeat, may_repeat, repeated

LOCKED = EngineError(500, "failed to update store: Database is locked")
BROKEN = EngineError(500, "failed to create shim task: the disk's controller went away")


@pytest.mark.parametrize(
    ("fault", "method", "safe", "expected"),
    [
        (LOCKED, "POST", False, True),
        (BROKEN, "POST", True, False),
        (BROKEN, "GET", True, True),
        (EngineError(409, "Conflict: database is locked"), "GET", True, False),
        (AnswerLostError(), "POST", False, False),
        (AnswerLostError(), "POST", True, True),
        (NotReachedError(), "POST", False, True),
        (EngineUnavailableError(), "GET", True, False),
        (ValueError(), "GET", True, False),
    ],
)
def test_what_is_asked_again(fault: Exception, method: str, safe: bool, expected: bool) -> None:
    assert may_repeat(fault, method=method, safe=safe) is expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Error response from daemon: Pool overlaps with other one on this address space", True),
        ("Error response from daemon: device or resource busy", True),
        ("sqlite3: database is locked\nprocess did not complete successfully: exit code: 1", False),
        ("dependency failed to start: container db is unhealthy: database is locked", False),
        ("pull access denied", False),
    ],
)
def test_a_compose_command_is_repeated_for_the_engines_faults_and_not_for_the_tasks(
    output: str, expected: bool
) -> None:
    assert compose_may_repeat(output) is expected


def test_what_does_not_pass_is_said_at_once_and_what_goes_on_is_said_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repetition, "FIRST_PAUSE_SECONDS", 0.001)
    for fault, tries in ((LOCKED, ATTEMPTS), (BROKEN, 1)):
        met = 0

        async def work(fault: EngineError = fault) -> None:
            nonlocal met
            met += 1
            raise fault

        with pytest.raises(EngineError, match=str(fault)):
            asyncio.run(repeated(work, passes=lambda one: may_repeat(one, method="POST", safe=False)))
        assert met == tries
