"""What leaves the worker while a trial runs."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flotilla.store.logs import Stream
from tests.worker_agent.trial_on_disk import SECRET, Trial
from worker_agent.publication import publish
from worker_agent.shipping import READ_BYTES

_pread = os.pread


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Trial:
    """A trial without secrets: nothing of its logs is held back."""
    return Trial(tmp_path, secrets=())


def test_a_log_is_shipped_as_it_grows_and_its_size_told(trial: Trial) -> None:
    trial.append("trial.log", "a" * 100)
    first = trial.logs.ship()[Stream.TRIAL]
    trial.append("trial.log", "b" * 100)
    second = trial.logs.ship()[Stream.TRIAL]
    assert (first[0], second[0]) == ("trial.log", "trial.log")
    assert first[1] < second[1] == len(trial.read("trial.log"))


def test_a_round_without_growth_tells_nothing(trial: Trial) -> None:
    trial.append("trial.log", "a" * 100)
    trial.logs.ship()
    assert trial.logs.ship() == {}


def test_a_secret_that_comes_in_two_pieces_is_never_shipped(trial: Trial) -> None:
    trial.append("agent/oracle.txt", "key " + SECRET[:7])
    trial.logs.ship()
    trial.append("agent/oracle.txt", SECRET[7:] + " end")
    trial.logs.ship(final=True)
    assert SECRET[:7] not in trial.read("agent/oracle.txt")
    assert len(trial.read("agent/oracle.txt")) == len("key " + SECRET + " end")


def test_what_was_shipped_is_not_copied_over_at_the_end(trial: Trial) -> None:
    trial.append("trial.log", "as it was\n")
    trial.logs.ship(final=True)
    (trial.local / "trial.log").write_text("changed behind our back\n")
    publish(trial.local, trial.shared, redactor=trial.redactor, shipped=trial.logs.shipped)
    assert trial.read("trial.log") == "as it was\n"


def test_the_logs_of_steps_follow_each_other_in_one_stream(trial: Trial) -> None:
    for step in ("one", "two"):
        trial.append("agent/oracle.txt", f"begin {step}\n")
        trial.logs.ship()
        trial.append("agent/oracle.txt", f"end {step}\n")
        folder = trial.local / "steps" / step / "agent"
        folder.mkdir(parents=True)
        (trial.local / "agent/oracle.txt").rename(folder / "oracle.txt")
    trial.finish()
    assert trial.read("agent/oracle.txt") == "begin one\nend one\nbegin two\nend two\n"
    assert trial.read("steps/one/agent/oracle.txt") == "begin one\nend one\n"


def test_a_step_that_was_over_before_anybody_looked_is_in_the_stream(trial: Trial) -> None:
    folder = trial.local / "steps/one/agent"
    folder.mkdir(parents=True)
    (folder / "oracle.txt").write_text("quick\n")
    trial.finish()
    assert trial.read("agent/oracle.txt") == "quick\n"


def test_another_agents_log_is_found_whatever_its_name(trial: Trial) -> None:
    trial.append("agent/terminus_2.pane", "$ ls\n")
    assert trial.logs.ship(final=True)[Stream.AGENT] == ("agent/terminus_2.pane", 5)


@pytest.mark.parametrize("name", ["agent/oracle.txt", "verifier/test-stdout.txt", "artifacts/x"])
def test_a_link_that_a_task_left_leads_nobody_out_of_its_directory(trial: Trial, tmp_path: Path, name: str) -> None:
    (tmp_path / "connection.json").write_text("the host's own secret")
    (trial.local / name).symlink_to(tmp_path / "connection.json")
    trial.finish()
    assert not os.path.lexists(trial.shared / name)


def test_a_linked_folder_is_not_entered(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/oracle.txt").write_text("the host's own")
    (trial.local / "agent").rmdir()
    (trial.local / "agent").symlink_to(tmp_path / "host")
    trial.finish()
    assert not (trial.shared / "agent/oracle.txt").exists()


def test_a_pipe_where_a_log_should_be_hangs_nobody(trial: Trial) -> None:
    os.mkfifo(trial.local / "agent/oracle.txt")
    trial.finish()
    assert not (trial.shared / "agent/oracle.txt").exists()


def test_a_write_that_failed_is_done_again_and_nothing_comes_twice(trial: Trial) -> None:
    trial.append("trial.log", "one\n")
    trial.shared.write_text("a file where the directory should be")
    with pytest.raises(OSError, match=r"trial\.log|shared"):
        trial.logs.ship(final=True)
    trial.shared.unlink()
    trial.append("trial.log", "two\n")
    trial.finish()
    assert trial.read("trial.log") == "one\ntwo\n"


def test_a_size_that_was_told_with_a_failing_stream_is_told_again(plain: Trial) -> None:
    plain.append("trial.log", "one\n")
    plain.append("agent/oracle.txt", "two\n")
    plain.shared.mkdir()
    (plain.shared / "agent").write_text("a file where a directory should be")
    with pytest.raises(OSError, match="agent"):
        plain.logs.ship()
    (plain.shared / "agent").unlink()
    assert plain.logs.ship() == {Stream.TRIAL: ("trial.log", 4), Stream.AGENT: ("agent/oracle.txt", 4)}


def test_the_last_call_tells_every_size_for_the_database_may_have_missed_it(plain: Trial) -> None:
    plain.append("trial.log", "one\n")
    plain.logs.ship()
    assert plain.logs.ship() == {}
    assert plain.logs.ship(final=True) == {Stream.TRIAL: ("trial.log", 4)}


def test_what_cannot_be_written_does_not_pile_up_in_memory(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        read.append(size)
        return _pread(descriptor, size, offset)

    monkeypatch.setattr("worker_agent.shipping.os.pread", counted)
    trial.append("trial.log", "a" * (READ_BYTES * 3))
    trial.shared.write_text("a file where the directory should be")
    for _ in range(5):
        with pytest.raises(OSError, match="shared"):
            trial.logs.ship()
    assert len(read) == 1
    trial.shared.unlink()
    trial.finish()
    assert len(trial.read("trial.log")) == READ_BYTES * 3


def test_a_log_whose_name_is_no_text_is_passed_over(plain: Trial) -> None:
    (plain.local / "agent" / os.fsdecode(b"\xff.log")).write_text("poison")
    assert plain.logs.ship(final=True) == {}
    plain.append("agent/plain.log", "text")
    assert plain.logs.ship() == {Stream.AGENT: ("agent/plain.log", 4)}


def test_a_log_that_is_deleted_and_written_anew_again_and_again_is_shipped_every_time(plain: Trial) -> None:
    for number in range(6):
        (plain.local / "agent/oracle.txt").unlink(missing_ok=True)
        plain.append("agent/oracle.txt", f"{number}\n")
        plain.logs.ship()
    assert plain.read("agent/oracle.txt") == "0\n1\n2\n3\n4\n5\n"


def test_a_round_does_not_wait_for_a_shipment_that_hangs_and_the_last_one_does(plain: Trial) -> None:
    plain.append("trial.log", "one\n")
    plain.shared.mkdir()
    os.mkfifo(plain.shared / "trial.log")  # to open it for writing waits for a reader
    with ThreadPoolExecutor() as threads:
        hanging = threads.submit(plain.logs.ship)
        while not plain.logs._turn.locked():
            assert not hanging.done()
        assert plain.logs.ship() == {}
        last = threads.submit(plain.logs.ship, final=True)
        reader = os.open(plain.shared / "trial.log", os.O_RDONLY)
        with pytest.raises(OSError, match="seek"):  # a pipe after all
            hanging.result()
        (plain.shared / "trial.log").unlink()
        assert isinstance(last.exception(), OSError | None)
        os.close(reader)


def test_a_log_without_end_is_cut_where_its_bound_is_and_says_so(tmp_path: Path) -> None:
    trial = Trial(tmp_path, secrets=())
    trial.logs.most_bytes = READ_BYTES
    trial.append("trial.log", "x" * (3 * READ_BYTES))
    sizes = [trial.logs.ship(final=final).get(Stream.TRIAL) for final in (False, False, True)]
    kept = trial.read("trial.log")
    assert kept.startswith("x" * READ_BYTES)
    assert kept.endswith("[cut here by Flotilla: this log was longer than the 1,048,576 bytes that are kept of one]\n")
    assert len(kept) < 2 * READ_BYTES
    assert sizes == [("trial.log", len(kept)), None, ("trial.log", len(kept))]
