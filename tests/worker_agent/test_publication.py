"""What of a finished trial is put out, and what is left where it is."""

import errno
import os
from pathlib import Path

import pytest

from tests.worker_agent.trial_on_disk import SECRET, Trial
from worker_agent.bounds import Amount
from worker_agent.publication import MOST, publish


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_the_result_comes_last_and_is_redacted(trial: Trial) -> None:
    trial.append("result.json", f'{{"key": "{SECRET}"}}')
    trial.append("artifacts/output.bin", "x")
    trial.finish()
    assert SECRET not in trial.read("result.json")
    result, others = (trial.shared / "result.json").stat(), (trial.shared / "artifacts/output.bin").stat()
    assert result.st_mtime_ns >= others.st_mtime_ns


@pytest.mark.parametrize("name", ["artifacts/" + "n" * 255, "artifacts/" + os.fsdecode(b"\xff\xfe")])
def test_a_file_of_any_name_that_the_kernel_takes_is_published(trial: Trial, name: str) -> None:
    trial.append(name, "kept")
    trial.append("result.json", "{}")
    trial.finish()
    assert trial.read(name) == "kept"
    assert trial.read("result.json") == "{}"


def test_a_file_in_the_place_of_another_kind_is_left_out_and_the_rest_published(trial: Trial) -> None:
    trial.append("agent/oracle.txt", "shipped as a file\n")
    trial.logs.ship()
    (trial.local / "agent/oracle.txt").unlink()
    (trial.local / "agent/oracle.txt").mkdir()
    trial.append("agent/oracle.txt/inner", "hides behind the name")
    trial.append("result.json", "{}")
    trial.finish()
    assert trial.read("agent/oracle.txt") == "shipped as a file\n"
    assert trial.read("result.json") == "{}"


def test_a_file_made_huge_out_of_nothing_is_left_out(trial: Trial) -> None:
    with (trial.local / "artifacts/sparse").open("wb") as sparse:
        sparse.truncate(MOST.bytes + 1)
    trial.append("result.json", "{}")
    trial.finish()
    assert not (trial.shared / "artifacts/sparse").exists()
    assert "'artifacts/sparse'" in trial.read("left_out.txt")
    assert trial.read("result.json") == "{}"


@pytest.mark.parametrize("written", ["", '{"trial_name": "task_'])
def test_half_a_result_is_never_shown(trial: Trial, written: str) -> None:
    (trial.local / "result.json").write_text(written)
    (trial.local / "config.json").write_text("{}")
    publish(trial.local, trial.shared, redactor=trial.redactor, shipped=frozenset())
    assert not (trial.shared / "result.json").exists()
    assert (trial.shared / "config.json").exists()


def test_a_full_file_system_is_no_fault_of_the_file(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    trial.append("artifacts/x", "x")
    monkeypatch.setattr("worker_agent.publication.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        trial.finish()


def test_more_files_than_are_kept_are_named_and_the_result_is_out_all_the_same(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    for number in range(150):
        trial.append(f"artifacts/{number:03}", "x")
    trial.append("result.json", "{}")
    publish(
        trial.local,
        trial.shared,
        redactor=trial.redactor,
        shipped=frozenset(),
        most=Amount(bytes=10_000, files=20),
    )
    assert len(list((trial.shared / "artifacts").iterdir())) == 20
    assert "and 30 more" in trial.read("left_out.txt")
    assert trial.read("result.json") == "{}"
