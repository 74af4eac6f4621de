"""What a worker does about its machine's end: the decision as a table, and the loop over a real metadata endpoint."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flotilla.local.metadata import Metadata, serving
from worker_agent import interruption
from worker_agent.instance_metadata import InstanceMetadata, MetadataUnavailable, Notices
from worker_agent.interruption import Course, InterruptionWatch, course, remember

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
GOES_ON = Course()
DRAINS = Course(receive=False)
HANDS_BACK = Course(receive=False, begin=False, abort_in=0.0)


def ends_in(seconds: float) -> Notices:
    return Notices(ends=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("case", "notices", "expected"),
    [
        ("nothing is said", Notices(), GOES_ON),
        ("it is in service", Notices(target="InService"), GOES_ON),
        ("spot may take it soon", Notices(rebalance=True), DRAINS),
        ("its group ends it", Notices(target="Terminated"), replace(DRAINS, terminating=True)),
        ("two minutes are left", ends_in(120), replace(HANDS_BACK, abort_in=80.0)),
        ("the last seconds begin", ends_in(40), HANDS_BACK),
        ("it heard of it late", ends_in(5), HANDS_BACK),
        ("the end is past", ends_in(-5), HANDS_BACK),
        ("spot takes it while its group ends it", replace(ends_in(120), target="Terminated"),
         replace(HANDS_BACK, abort_in=80.0, terminating=True)),
        ("spot takes what it recommended to replace", replace(ends_in(100), rebalance=True),
         replace(HANDS_BACK, abort_in=60.0)),
    ],
)  # fmt: skip
def test_what_is_said_of_the_machine_decides_what_its_worker_does(
    case: str, notices: Notices, expected: Course
) -> None:
    assert course(notices, now=NOW) == expected


@pytest.mark.parametrize(
    ("case", "before", "read", "known"),
    [
        ("a notice that is not shown any more", ends_in(100), Notices(), ends_in(100)),
        ("a sooner end", ends_in(100), ends_in(60), ends_in(60)),
        ("a later end is not believed", ends_in(60), ends_in(100), ends_in(60)),
        ("an end that only a slow clock believes in", Notices(), ends_in(600), ends_in(120)),
        ("a recommendation", Notices(rebalance=True), Notices(), Notices(rebalance=True)),
        ("a termination", Notices(target="Terminated"), Notices(), Notices(target="Terminated")),
        ("a state that changes", Notices(target="Warmed:Stopped"), Notices(target="InService"),
         Notices(target="InService")),
    ],
)  # fmt: skip
def test_what_was_read_once_holds(case: str, before: Notices, read: Notices, known: Notices) -> None:
    assert remember(before, read, now=NOW) == known


@pytest.fixture
def metadata() -> Metadata:
    return Metadata()


@pytest.fixture
def url(metadata: Metadata) -> Iterator[str]:
    with serving(metadata) as url:
        yield f"{url}/i-1"


@pytest.fixture
def instance(url: str) -> Iterator[InstanceMetadata]:
    instance = InstanceMetadata(url)
    yield instance
    instance.close()


def test_what_is_not_there_is_nothing(instance: InstanceMetadata) -> None:
    assert instance.read() == Notices()


def test_everything_that_is_said_is_read(metadata: Metadata, instance: InstanceMetadata) -> None:
    ends = metadata.notify_spot("i-1", seconds=120)
    metadata.recommend_rebalance("i-1")
    metadata.set_lifecycle("Terminated", "i-1")
    assert instance.read() == Notices(ends=ends, rebalance=True, target="Terminated")


def test_a_token_that_holds_no_longer_is_replaced(metadata: Metadata, instance: InstanceMetadata) -> None:
    instance.read()
    metadata.of("i-1").tokens.clear()
    assert instance.read() == Notices()
    assert len(metadata.of("i-1").tokens) == 1


def test_a_token_is_renewed_before_it_ends(metadata: Metadata, url: str) -> None:
    moments = iter([0.0, 0.0, *[10_000.0] * 3, *[11_000.0] * 100])
    instance = InstanceMetadata(url, monotonic=lambda: next(moments))
    for _ in range(2):
        instance.read()
    instance.close()
    assert len(metadata.of("i-1").tokens) == 2


def test_a_notice_without_a_time_is_a_notice_for_now(url: str) -> None:
    instance = InstanceMetadata(url, now=lambda: NOW)
    for document in ("{}", "soon", '{"time": "soon"}', "[]"):
        assert instance._end(document) == NOW
    instance.close()


def test_an_endpoint_that_does_not_answer_is_unavailable() -> None:
    with serving(Metadata()) as url:
        instance = InstanceMetadata(url)
    with pytest.raises(MetadataUnavailable, match="does not answer"):
        instance.read()
    instance.close()


async def _watch(
    instance: InstanceMetadata, until: Callable[[list[Course]], bool], *, act: Callable[[int], None]
) -> list[Course]:
    """Lets the loop run until what it had heeded is enough; `act` is called before each round that follows one."""
    heeded: list[Course] = []
    enough = asyncio.Event()

    def heed(ahead: Course) -> None:
        heeded.append(ahead)
        act(len(heeded))
        if until(heeded):
            enough.set()

    watch = asyncio.create_task(InterruptionWatch(instance, heed=heed).run())
    await asyncio.wait_for(enough.wait(), 30)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    return heeded


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "READ_SECONDS", 0.01)


def test_the_loop_has_the_course_heeded_as_soon_as_it_changes(
    quick: None, metadata: Metadata, instance: InstanceMetadata
) -> None:
    def act(rounds: int) -> None:
        if rounds == 2:
            metadata.notify_spot("i-1", seconds=30)

    heeded = asyncio.run(_watch(instance, lambda so_far: so_far[-1] != GOES_ON, act=act))
    assert heeded == [GOES_ON, GOES_ON, HANDS_BACK]


def test_silence_is_reported_once_and_what_was_read_before_holds(
    quick: None, metadata: Metadata, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = ExitStack()
    instance = InstanceMetadata(f"{endpoint.enter_context(serving(metadata))}/i-1")
    metadata.recommend_rebalance("i-1")

    def act(rounds: int) -> None:
        if rounds == 2:
            endpoint.close()

    heeded = asyncio.run(_watch(instance, lambda so_far: len(so_far) == 5, act=act))
    assert heeded == [DRAINS] * 5
    assert caplog.text.count("would not be noticed") == 1


def test_the_last_seconds_are_not_slept_through(metadata: Metadata, instance: InstanceMetadata) -> None:
    metadata.notify_spot("i-1", seconds=42)  # with two seconds between two readings, these would be over
    heeded = asyncio.run(_watch(instance, lambda so_far: so_far[-1].abort_in == 0, act=lambda _: None))
    assert heeded[0].abort_in is not None
    assert 0 < heeded[0].abort_in <= 2
    assert len(heeded) == 2
