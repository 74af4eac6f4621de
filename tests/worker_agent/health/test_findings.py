"""From measured facts to findings: the bounds, and the words."""

import io
import json
import tomllib
from pathlib import Path

import pytest

from flotilla.schema import revisions
from worker_agent.health import clock, database, engine, harbor, memory, room
from worker_agent.health.finding import Finding, Status, broken, degraded, healthy, reason, worst
from worker_agent.health.report import as_document, as_text, wants_colours

GIB = room.GIB
FINDINGS = [healthy("disk", "60 GiB are free"), degraded("clock", "9 s ahead", mend="mend it"), healthy("queue", "ok")]


def made_room(*, free: float, of: float = 100 * GIB, free_inodes: int = 10**6, inodes: int = 10**7) -> room.Room:
    return room.Room(
        place=Path("/scratch"), device=1, free_bytes=int(free), bytes=int(of), free_inodes=free_inodes, inodes=inodes
    )


@pytest.mark.parametrize(
    ("free", "of", "status"),
    [
        (60 * GIB, 100 * GIB, "healthy"),
        (4 * GIB, 100 * GIB, "degraded"),
        (GIB - 1, 100 * GIB, "broken"),
        (0.5 * GIB, 1 * GIB, "healthy"),  # a small file system is measured by its size
        (0.09 * GIB, 1 * GIB, "degraded"),
        (0.04 * GIB, 1 * GIB, "broken"),
    ],
)
def test_the_disk_is_judged_by_what_is_free(free: float, of: float, status: str) -> None:
    assert room.disk([made_room(free=free, of=of)]).status == status


@pytest.mark.parametrize(
    ("free", "of", "status"),
    [(10**6, 10**7, "healthy"), (90_000, 10**7, "degraded"), (9_999, 10**7, "broken"), (0, 0, "healthy")],
)
def test_inodes_are_judged_by_what_is_free_where_they_are_counted(free: int, of: int, status: str) -> None:
    assert room.inodes([made_room(free=60 * GIB, free_inodes=free, inodes=of)]).status == status


def test_of_several_file_systems_the_worst_speaks() -> None:
    found = room.disk([made_room(free=60 * GIB), made_room(free=0.5 * GIB)])
    assert (found.status, found.seen) == ("broken", "512.0 MiB of 100.0 GiB are free at /scratch, the floor is 1.0 GiB")


def test_what_was_below_the_floor_has_enough_again_only_a_quarter_above_it() -> None:
    low, more = made_room(free=1.1 * GIB), made_room(free=1.3 * GIB)
    assert room.shortage([made_room(free=0.9 * GIB)], was_short=False) is not None
    assert room.shortage([low], was_short=True) is not None
    assert room.shortage([low], was_short=False) is None
    assert room.shortage([more], was_short=True) is None
    assert "inodes" in (room.shortage([made_room(free=9 * GIB, free_inodes=9)], was_short=False) or "")


def test_a_small_file_system_is_full_when_it_is_and_not_before() -> None:
    small = 16 << 20
    assert room.is_full(made_room(free=0, of=small))
    assert room.is_full(made_room(free=9 * GIB, free_inodes=0))
    assert not room.is_full(made_room(free=small / 2, of=small))
    assert not room.is_full(made_room(free=9 * GIB, free_inodes=0, inodes=0))


@pytest.mark.parametrize(("available", "status"), [(8000, "healthy"), (1000, "degraded"), (255, "broken")])
def test_memory_is_judged_by_what_can_be_had(available: int, status: str) -> None:
    assert memory.memory(memory.Memory(available=available, total=16_000)).status == status


def test_the_kernels_own_words_on_memory_are_read() -> None:
    found = memory.measure()
    assert 0 < found.available < found.total


@pytest.mark.parametrize(
    ("offset", "status"), [(0.2, "healthy"), (-0.2, "healthy"), (-6, "degraded"), (241, "broken"), (-241, "broken")]
)
def test_the_clock_is_judged_by_the_farthest_of_the_others(offset: float, status: str) -> None:
    assert clock.clock({"database": 0.0, "queue": offset}).status == status


def test_a_clock_that_nothing_can_be_compared_with_is_not_called_healthy() -> None:
    assert clock.clock({}).status == "degraded"


def test_an_offset_is_seen_from_the_middle_of_the_call() -> None:
    here = iter([100.0, 102.0])
    assert clock.offset(lambda: 96.0, here=lambda: next(here)) == 5.0


@pytest.mark.parametrize(
    ("revision", "status"), [("0002", "healthy"), ("0001", "broken"), (None, "broken"), ("0003", "degraded")]
)
def test_a_schema_behind_this_version_is_broken_and_one_ahead_of_it_is_a_deployment(
    revision: str | None, status: str
) -> None:
    assert database.database(database.Schema(server="18.4", revision=revision, known=["0002", "0001"])).status == status


def test_the_revisions_are_those_of_the_migrations_newest_first() -> None:
    known = revisions()
    assert known == sorted(known, reverse=True)
    assert known[-1] == "0001"


@pytest.mark.parametrize(
    ("version", "complaint", "status"),
    [(harbor.PINNED, None, "healthy"), ("0.9", None, "degraded"), (None, None, "broken"), ("0.9", "no", "broken")],
)
def test_harbor_has_to_be_the_one_that_is_pinned(version: str | None, complaint: str | None, status: str) -> None:
    assert harbor.harbor(harbor.Harbor(version=version, complaint=complaint)).status == status


def test_the_pinned_harbor_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert f"harbor=={harbor.PINNED}" in project["project"]["optional-dependencies"]["worker"]


@pytest.mark.parametrize(
    ("image", "compose", "status"),
    [("debian", True, "healthy"), (None, True, "degraded"), ("debian", False, "degraded")],
)
def test_an_engine_without_an_image_to_try_or_without_compose_is_degraded(
    image: str | None, compose: bool, status: str
) -> None:
    answered = engine.Answered(host="unix:///s", version="20", image=image, compose=compose)
    assert engine.docker(answered).status == status


def test_the_whole_is_as_bad_as_the_worst_of_it() -> None:
    assert worst([]) is Status.HEALTHY
    assert worst(FINDINGS) is Status.DEGRADED
    assert worst([*FINDINGS, broken("docker", "gone", mend="start it")]) is Status.BROKEN


def test_the_reason_names_what_is_broken_and_nothing_else() -> None:
    assert reason([*FINDINGS, broken("docker", "it is gone", mend="start it")]) == "docker: it is gone"


def test_the_report_has_a_line_a_check_and_the_mend_where_something_is_wrong() -> None:
    plain = as_text(FINDINGS, coloured=False)
    assert [line.split()[0] for line in plain.splitlines()] == ["healthy", "degraded", "→", "healthy", "This"]
    assert "\x1b[" not in plain
    assert "\x1b[33mdegraded" in as_text(FINDINGS, coloured=True)


def test_the_document_has_all_of_it() -> None:
    document = json.loads(as_document(FINDINGS))
    assert document["status"] == "degraded"
    assert [Finding(**{**one, "status": Status(one["status"])}) for one in document["checks"]] == FINDINGS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them() -> None:
    assert wants_colours(Terminal(), {})
    assert not wants_colours(io.StringIO(), {})
    assert not wants_colours(Terminal(), {"NO_COLOR": "1"})
