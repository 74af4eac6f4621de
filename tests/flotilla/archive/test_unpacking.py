"""Unpacking: the task's own files, with their execute bits, whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from flotilla.archive import Limits, unpack
from tests.flotilla.archive.making import TASK, below, gzipped, saved, tar_info, tar_of, zip_info, zip_of


@pytest.mark.parametrize(
    "content",
    [zip_of(), zip_of(task=below("a")), gzipped(tar_of()), gzipped(tar_of((tar_info("._a"), b""), task=below("a")))],
    ids=["zip", "zip in a folder", "tar", "tar in a folder"],
)
def test_the_task_lies_at_the_target_whatever_the_archive_calls_its_folder(content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "task"

    unpack(saved(content, tmp_path), target, limits=Limits())

    files = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == TASK
    assert {name for name, path in files.items() if os.access(path, os.X_OK)} == {"tests/test.sh"}
    assert [path.name for path in target.parent.iterdir()] == ["task"]


def test_modes_are_ours_whatever_the_archive_and_the_umask_say(tmp_path: Path) -> None:
    info = zip_info("tool", mode=stat.S_IFREG | 0o7711)
    before = os.umask(0o077)
    try:
        unpack(saved(zip_of((info, b"")), tmp_path), tmp_path / "task", limits=Limits())
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "task").rglob("*")}
    assert modes == {
        "task.toml": 0o644, "instruction.md": 0o644, "Dockerfile": 0o644, "environment": 0o755, "tests": 0o755,
        "test.sh": 0o755, "tool": 0o755,
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "task").stat().st_mode) == 0o755


def test_an_empty_folder_is_kept(tmp_path: Path) -> None:
    unpack(saved(zip_of(("environment/data/", b"")), tmp_path), tmp_path / "task", limits=Limits())

    assert (tmp_path / "task/environment/data").is_dir()


def test_a_target_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()

    with pytest.raises(FileExistsError):
        unpack(saved(zip_of(), tmp_path), tmp_path / "task", limits=Limits())

    assert list((tmp_path / "task").iterdir()) == []
