"""The pulse as Lambda invokes it: ticks every ten seconds while there is work, one leader, everything published."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from flotilla.pulse import Beat, Pulse
from flotilla.queue import sqs_client
from flotilla.settings import SettingsFault, read
from flotilla.states import RunState
from flotilla.worker_group import GroupMissing
from lambdas import pulse as function
from tests.aws_group import REGION, AwsGroup
from tests.flotilla.fleet import Fleet


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shift(clock: Clock) -> function.Shift:
    return function.Shift(clock=clock, sleep=clock.sleep)


BUSY, IDLE, ELSEWHERE = Beat(led=True, work=True), Beat(led=True), Beat(led=False)


def test_a_shift_with_work_ticks_every_ten_seconds_up_to_the_fiftieth(clock: Clock, shift: function.Shift) -> None:
    ticks = 1
    shift.report(BUSY)
    while not shift.wait(10.0):
        ticks += 1
        shift.report(BUSY)
    assert (ticks, sum(clock.slept)) == (6, 50)


def test_a_slow_tick_does_not_shift_the_next_one(clock: Clock, shift: function.Shift) -> None:
    clock.now += 3
    shift.report(BUSY)
    assert not shift.wait(10.0)
    assert clock.slept == [7.0]


@pytest.mark.parametrize("beat", [IDLE, ELSEWHERE])
def test_a_shift_without_work_or_without_the_lead_is_over_at_once(shift: function.Shift, beat: Beat) -> None:
    shift.report(beat)
    assert shift.wait(10.0)


def test_a_tick_that_failed_is_tried_again(shift: function.Shift) -> None:
    shift.report(RuntimeError("the database is away"))
    assert not shift.wait(10.0)


@pytest.fixture
def queue_url(aws_environment: pytest.MonkeyPatch, moto_url: str) -> str:
    client = sqs_client(endpoint_url=moto_url, region=REGION, access_key="key")
    return client.create_queue(QueueName=f"runs-{uuid4().hex}")["QueueUrl"]


@pytest.fixture
def environment(
    aws_environment: pytest.MonkeyPatch, database_url: str, queue_url: str, group: AwsGroup, tmp_path: Path
) -> Iterator[pytest.MonkeyPatch]:
    """The function's variables; it is cold at the beginning."""
    variables = {
        "FLOTILLA_DATABASE_URL": database_url,
        "FLOTILLA_QUEUE_URL": queue_url,
        "FLOTILLA_QUEUE_HIGH_URL": queue_url,
        "FLOTILLA_SHARED": str(tmp_path),
        "FLOTILLA_STAGE": f"stage-{uuid4().hex}",
        "FLOTILLA_GROUP": group.name,
        "FLOTILLA_SLOTS": "4",
    }
    for name, value in variables.items():
        aws_environment.setenv(name, value)
    function.pulse.cache_clear()
    yield aws_environment
    function.pulse.cache_clear()


@pytest.fixture
def pulse(environment: pytest.MonkeyPatch) -> Iterator[Pulse]:
    pulse = function.pulse()
    yield pulse
    pulse.engine.dispose()


@pytest.fixture
def another(environment: pytest.MonkeyPatch) -> Iterator[Callable[[], Pulse]]:
    """Builds a pulse as another invocation would, from the variables as they are now."""
    made: list[Pulse] = []

    def build() -> Pulse:
        made.append(function.build(read(os.environ, function.SETTINGS)))
        return made[-1]

    yield build
    for pulse in made:
        pulse.engine.dispose()


def test_an_invocation_at_rest_ticks_once_and_lets_the_next_one_lead(
    pulse: Pulse, another: Callable[[], Pulse]
) -> None:
    function.handler({}, None)
    assert another().beat().led


def test_what_is_short_is_asked_for_while_the_shift_lasts(
    pulse: Pulse, engine: Engine, group: AwsGroup, clock: Clock
) -> None:
    Fleet(engine).job(runs=9)
    seen: list[int] = []

    class Seen(function.Shift):
        def report(self, beat: Beat | Exception) -> None:
            super().report(beat)
            assert isinstance(beat, Beat)
            assert beat.tended is not None
            seen.append(beat.tended.shortfall)

    def grow_meanwhile(seconds: float) -> None:
        clock.sleep(seconds)
        group.grow(3)

    function.beat_for(pulse, Seen(clock=clock, sleep=grow_meanwhile))
    assert seen == [3, 0, 0, 0, 0, 0]


def test_an_invocation_that_does_not_lead_sends_what_waits(
    pulse: Pulse, another: Callable[[], Pulse], engine: Engine, clock: Clock, shift: function.Shift
) -> None:
    assert another().beat().led
    fleet = Fleet(engine)
    (run_id,) = fleet.job()
    function.beat_for(pulse, shift)
    assert fleet.row(run_id).state == RunState.QUEUED
    assert clock.slept == []


def test_an_invocation_whose_last_tick_failed_fails(
    environment: pytest.MonkeyPatch, another: Callable[[], Pulse], shift: function.Shift
) -> None:
    environment.setenv("FLOTILLA_GROUP", "no-such-group")
    with pytest.raises(GroupMissing, match="no-such-group"):
        function.beat_for(another(), shift)


def test_a_group_that_cannot_be_seen_holds_up_no_run(
    environment: pytest.MonkeyPatch, another: Callable[[], Pulse], engine: Engine, shift: function.Shift
) -> None:
    environment.setenv("FLOTILLA_GROUP", "no-such-group")
    fleet = Fleet(engine)
    (run_id,) = fleet.job()
    with pytest.raises(GroupMissing, match="no-such-group"):
        function.beat_for(another(), shift)
    assert fleet.row(run_id).state == RunState.QUEUED


def test_a_function_that_lacks_its_group_names_the_variable(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("FLOTILLA_GROUP")
    with pytest.raises(SettingsFault, match="FLOTILLA_GROUP is not set"):
        function.handler({}, None)
