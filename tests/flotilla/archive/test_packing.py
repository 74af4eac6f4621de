"""Packing a directory: the same task gives the same bytes, and they unpack to the same task."""

import io
import os
from pathlib import Path

import pytest

from flotilla.archive import Limits, Packed, open_archive, pack, unpack
from flotilla.task import BundleRefused, DirectoryTree, Rule
from tests.flotilla.archive.making import TASK


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return written(tmp_path / "task")


def written(folder: Path) -> Path:
    for path, content in reversed(list(TASK.items())):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "tests/test.sh").chmod(0o755)
    return folder


def packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    pack(folder, buffer)
    return buffer.getvalue()


def test_the_same_task_gives_the_same_bytes_at_any_place_and_time(task: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other")
    os.utime(other / "task.toml", (10**9, 10**9))
    (other / "instruction.md").chmod(0o600)

    assert packed(task) == packed(other)


def test_an_execute_bit_is_part_of_the_task(task: Path) -> None:
    before = packed(task)
    (task / "tests/test.sh").chmod(0o644)

    assert packed(task) != before


def test_a_packed_task_unpacks_to_itself(task: Path, tmp_path: Path) -> None:
    (task / "environment/empty").mkdir()
    bundle = tmp_path / "bundle"
    with bundle.open("wb") as file:
        summary = pack(task, file)

    unpack(bundle, tmp_path / "again", limits=Limits())

    assert DirectoryTree(tmp_path / "again").members == DirectoryTree(task).members
    assert open_archive(bundle, limits=Limits()).members == DirectoryTree(task).members
    assert summary == Packed(files=len(TASK), unpacked_bytes=sum(map(len, TASK.values())))


@pytest.mark.parametrize("target", ["task.toml", "/etc/passwd", "nowhere", "."])
def test_a_link_is_refused_wherever_it_leads(target: str, task: Path) -> None:
    (task / "environment/ln").symlink_to(target)

    with pytest.raises(BundleRefused) as refusal:
        packed(task)

    assert [(fault.rule, fault.pointer) for fault in refusal.value.faults] == [(Rule.LINK, "/environment/ln")]


def test_a_pipe_is_refused_and_not_waited_for(task: Path) -> None:
    os.mkfifo(task / "pipe")

    with pytest.raises(BundleRefused):
        packed(task)


def test_a_name_that_no_archive_may_carry_is_refused_before_it_is_packed(task: Path) -> None:
    (task / "a\\b").touch()

    with pytest.raises(BundleRefused):
        packed(task)


def test_a_task_past_the_limits_is_refused(task: Path) -> None:
    with pytest.raises(BundleRefused):
        DirectoryTree(task, limits=Limits(unpacked_bytes=10))
    with pytest.raises(BundleRefused):
        DirectoryTree(task, limits=Limits(files=3))


def test_what_a_mac_leaves_behind_is_left_out(task: Path) -> None:
    before = packed(task)
    (task / "tests/.DS_Store").touch()

    assert packed(task) == before
