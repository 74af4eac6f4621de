"""Logs at rest cost next to nothing, and whatever happens to them ends their rest."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker_agent.trial_on_disk import Trial
from tests.worker_agent.workplace import until
from worker_agent import shipping

LOG = "agent/oracle.txt"


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """A trial without secrets, so that nothing of its logs is held back."""
    return Trial(tmp_path, secrets=())


def bring_to_rest(trial: Trial) -> None:
    def rests() -> bool:
        trial.logs.ship()
        return trial.logs.is_at_rest

    until(rests, "the logs are at rest")


def empty_and_write_anew(trial: Trial) -> None:
    """With the time of its last change put back to where it was, as a task can."""
    state = (trial.local / LOG).stat()
    (trial.local / LOG).write_text("anew\n")
    os.utime(trial.local / LOG, ns=(state.st_atime_ns, state.st_mtime_ns))


def replace(trial: Trial) -> None:
    (trial.local / "agent/new").write_text("another")
    (trial.local / "agent/new").rename(trial.local / LOG)


def begin_a_step(trial: Trial) -> None:
    """As Harbor does: the last one's folder is moved away, and a new one made."""
    (trial.local / "steps/one").mkdir(parents=True)
    (trial.local / "agent").rename(trial.local / "steps/one/agent")
    (trial.local / "agent").mkdir()
    trial.append(LOG, "a new step\n")


CHANGES: dict[str, Callable[[Trial], None]] = {
    "it grows": lambda trial: trial.append(LOG, "more\n"),
    "it is emptied and written anew": empty_and_write_anew,
    "another file takes its place": replace,
    "a step begins": begin_a_step,
    "another log appears": lambda trial: trial.append("verifier/test-stdout.txt", "1 passed\n"),
    "the folder of another log appears": lambda trial: trial.append("trial.log", "it began\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_happens_to_a_log_ends_its_rest_and_the_next_round_ships_it(trial: Trial, change: str) -> None:
    trial.append(LOG, "a line\n")
    bring_to_rest(trial)
    CHANGES[change](trial)
    assert not trial.logs.is_at_rest
    assert trial.logs.ship()


@pytest.mark.parametrize("name", [LOG, "trial.log", "verifier/test-stdout.txt"])
def test_the_first_log_of_all_ends_the_rest(trial: Trial, name: str) -> None:
    bring_to_rest(trial)
    trial.append(name, "a line\n")
    assert not trial.logs.is_at_rest


def test_a_log_in_a_folder_that_was_not_there_ends_the_rest(trial: Trial) -> None:
    shutil.rmtree(trial.local)
    bring_to_rest(trial)
    (trial.local / "agent").mkdir(parents=True)
    trial.append(LOG, "a line\n")
    assert not trial.logs.is_at_rest


def test_logs_that_are_longer_than_a_round_do_not_rest_before_they_are_out(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "READ_BYTES", 4)
    monkeypatch.setattr(shipping, "MOST_READS_A_ROUND", 1)
    trial.append(LOG, "a line of more than one round\n")
    bring_to_rest(trial)
    assert trial.read(LOG) == "a line of more than one round\n"


def test_logs_that_could_not_be_written_do_not_rest(trial: Trial) -> None:
    trial.append(LOG, "a line\n")
    bring_to_rest(trial)
    trial.append(LOG, "another\n")
    shutil.rmtree(trial.shared)
    trial.shared.touch()
    with pytest.raises(OSError, match="Not a directory"):
        trial.logs.ship()
    assert not trial.logs.is_at_rest
    trial.shared.unlink()
    bring_to_rest(trial)
    assert trial.read(LOG).endswith("another\n")


def test_logs_that_cannot_be_looked_at_do_not_rest(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error")

    trial.append(LOG, "a line\n")
    bring_to_rest(trial)
    with monkeypatch.context() as failing:
        failing.setattr(os, "fstat", fail)
        rests = trial.logs.is_at_rest
    assert not rests


def test_logs_that_changed_a_moment_ago_do_not_rest_yet(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes within a tick of the kernel's clock bear the same time."""
    bring_to_rest(trial)
    monkeypatch.setattr(shipping, "SETTLED_NANOSECONDS", 10**15)
    trial.append(LOG, "a line\n")
    for _ in range(3):
        trial.logs.ship()
    assert not trial.logs.is_at_rest
