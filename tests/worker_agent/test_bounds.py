"""What a trial uses is counted, and what is past its bound is named with its mend."""

import errno
import os
from pathlib import Path

import pytest

from flotilla.causes import Cause, cause_of
from worker_agent.bounds import Amount, Bounds, Usage, excess, noted
from worker_agent.usage import lying_in

BOUNDS = Bounds(storage=Amount(bytes=1000, files=10), output=Amount(bytes=100, files=5))
MUCH = Amount(bytes=1 << 40, files=1000)


@pytest.mark.parametrize(
    ("usage", "cause"),
    [
        (Usage(), None),
        (Usage(storage=BOUNDS.storage, output=BOUNDS.output), None),
        (Usage(storage=Amount(bytes=1001)), Cause.STORAGE_EXCEEDED),
        (Usage(storage=Amount(files=11)), Cause.STORAGE_EXCEEDED),
        (Usage(output=Amount(bytes=101)), Cause.OUTPUT_EXCEEDED),
        (Usage(output=Amount(files=6), storage=Amount(files=11)), Cause.OUTPUT_EXCEEDED),
        (Usage(crowded=300, output=Amount(files=6)), Cause.PROCESSES_EXCEEDED),
    ],
)
def test_what_is_past_its_bound_ends_the_trial_by_name(usage: Usage, cause: Cause | None) -> None:
    found = excess(usage, BOUNDS)
    assert (found and found.cause) == cause
    if found is not None:
        assert cause_of(found.exception, found.message) is cause
        assert found.message.endswith(("task.toml.", "of the workers."))


def test_processes_that_the_kernel_ended_for_memory_are_told_with_the_limit() -> None:
    found = noted({"memory_kills": 2, "memory_mb": 64})
    assert found is not None
    assert (found.cause, "64 MB" in found.message) == (Cause.MEMORY_EXCEEDED, True)
    assert noted({"memory_kills": 0, "memory_mb": 64, "full_at": None}) is noted({}) is None


def test_processes_that_the_kernel_refused_are_told_with_the_limit() -> None:
    found = noted({"memory_kills": 2, "memory_mb": 64, "full_at": 300})
    assert found is not None
    assert (found.cause, "all 300 processes" in found.message) == (Cause.PROCESSES_EXCEEDED, True)


def test_files_count_for_what_they_occupy_and_links_for_themselves(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * 100_000)
    before = lying_in([str(tmp_path)], most=MUCH)
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 40)
    (tmp_path / "twice").hardlink_to(tmp_path / "folder" / "file")
    (tmp_path / "away").symlink_to("/usr")
    os.mkfifo(tmp_path / "pipe")
    after = lying_in([str(tmp_path), str(tmp_path / "absent")], most=MUCH)
    assert before.files == 2
    assert 100_000 <= before.bytes < 200_000
    assert (after.files, after.bytes) == (6, before.bytes)


def test_counting_ends_once_there_is_too_much(tmp_path: Path) -> None:
    for name in range(30):
        (tmp_path / str(name)).mkdir()
        (tmp_path / str(name) / "file").touch()
    assert lying_in([str(tmp_path)], most=Amount(bytes=1 << 30, files=5)).files == 6


def test_a_tree_too_deep_to_be_counted_is_too_much(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        Path(tmp_path, *["d" * 200] * 40).stat()
    assert lying_in([str(tmp_path)], most=MUCH).is_past(MUCH)
