"""Which images go: the least recently used, as many as the budget asks for, counted by layers."""

from pathlib import Path

import pytest

from worker_agent.docker.eviction import Image, Layer, footprint, surplus
from worker_agent.docker.image_budget import allowance, layers_of
from worker_agent.health.room import DISK_LOW, GIB, Room

SIZES = {"base": 100, "a": 10, "b": 20, "c": 30}


def image(name: str, *layers: str, used_at: float, in_use: bool = False) -> Image:
    made = [Layer(key=key, size=SIZES[key]) for key in layers]
    return Image(id=name, names=[name], used_at=used_at, layers=made, in_use=in_use)


OLD, MIDDLE, NEW = (
    image("old", "base", "a", used_at=1),
    image("middle", "base", "b", used_at=2),
    image("new", "base", "c", used_at=3),
)


def going(*images: Image, allowed: float, of_others: frozenset[str] = frozenset()) -> list[str]:
    return [one.id for one in surplus(images, of_others=of_others, allowed=allowed)]


def test_a_layer_counts_once_and_not_at_all_if_others_need_it() -> None:
    assert footprint([OLD, MIDDLE, NEW], of_others=()) == 160
    assert footprint([OLD, MIDDLE, NEW], of_others={"base"}) == 60


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [(160, []), (159, ["old"]), (150, ["old"]), (149, ["old", "middle"]), (0, ["old", "middle", "new"])],
)  # fmt: skip
def test_the_least_recently_used_goes_first_and_no_more_than_must(allowed: float, expected: list[str]) -> None:
    assert going(NEW, OLD, MIDDLE, allowed=allowed) == expected


def test_what_something_runs_in_stays_and_what_it_shares_is_not_counted_as_freed() -> None:
    running = image("old", "base", "a", used_at=1, in_use=True)
    assert going(running, MIDDLE, NEW, allowed=111) == ["middle", "new"]


def test_what_others_keep_is_no_reason_to_remove_ours() -> None:
    assert going(OLD, MIDDLE, NEW, allowed=60, of_others=frozenset({"base"})) == []
    assert going(OLD, MIDDLE, NEW, allowed=59, of_others=frozenset({"base"})) == ["old"]


def test_images_that_began_alike_share_layers_and_empty_steps_are_none() -> None:
    base = {"Created": 1, "CreatedBy": "base", "Size": 100}
    label = {"Created": 2, "CreatedBy": "LABEL a=1", "Size": 0}
    one, another = ({"Created": 3, "CreatedBy": command, "Size": 7} for command in ("RUN x", "RUN y"))
    first, second = (layers_of([step, label, base], contents=["b", "x"]) for step in (one, another))
    assert [layer.size for layer in first] == [100, 7]
    assert first[0] == second[0]
    assert first[1].key != second[1].key
    assert layers_of([one, label, base], contents=["b", "y"])[1].key != first[1].key, "made alike, and not the same"


def room(*, free: float, inodes: int = 0, free_inodes: int = 0) -> Room:
    return Room(
        place=Path("/"), device=1, free_bytes=int(free), bytes=100 * GIB, free_inodes=free_inodes, inodes=inodes
    )


def test_a_short_disk_lowers_what_is_allowed() -> None:
    low = DISK_LOW.of(100 * GIB)
    assert allowance(40 * GIB, budget=50 * GIB, room=None) == 50 * GIB
    assert allowance(40 * GIB, budget=50 * GIB, room=room(free=low)) == 50 * GIB
    assert allowance(40 * GIB, budget=50 * GIB, room=room(free=low - GIB)) == 39 * GIB
    assert allowance(GIB / 2, budget=50 * GIB, room=room(free=low - GIB)) == 0


def test_short_inodes_take_a_fifth_at_a_time() -> None:
    assert allowance(100, budget=1000, room=room(free=99 * GIB, inodes=1_000_000, free_inodes=10)) == 80
