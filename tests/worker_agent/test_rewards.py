"""The reward is read from a plain file, whatever a task puts in its place."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harbor.models.trial.paths import TrialPaths
from harbor.verifier.verifier import RewardFileEmptyError, Verifier, VerifierOutputParseError

from worker_agent.rewards import MOST_BYTES, read_plainly


class Reading(Verifier):
    """Harbor's own, changed for the tests alone."""


read_plainly(Reading)


@pytest.fixture
def paths(tmp_path: Path) -> TrialPaths:
    paths = TrialPaths(trial_dir=tmp_path / "trial")
    paths.verifier_dir.mkdir(parents=True)
    return paths


def reward(paths: TrialPaths, *, of: str = "json") -> Any:
    return getattr(Reading, f"_parse_reward_{of}")(SimpleNamespace(trial_paths=paths))


def test_a_plain_reward_is_read_as_ever(paths: TrialPaths) -> None:
    paths.reward_json_path.write_text('{"reward": 0.5, "style": 1}')
    paths.reward_text_path.write_text("0.25\n")
    assert reward(paths) == {"reward": 0.5, "style": 1}
    assert reward(paths, of="text") == {"reward": 0.25}


def test_an_empty_reward_is_harbors_own_error(paths: TrialPaths) -> None:
    paths.reward_json_path.touch()
    with pytest.raises(RewardFileEmptyError):
        reward(paths)


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(1 << 40)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="a pipe that nobody writes to"),
        pytest.param(lambda file: file.symlink_to("/dev/zero"), id="a link to a device without end"),
        pytest.param(lambda file: file.symlink_to("/proc/self/environ"), id="a link to this host's files"),
        pytest.param(sparse, id="a terabyte of nothing"),
        pytest.param(lambda file: file.write_bytes(b" " * MOST_BYTES + b"1"), id="more than a reward needs"),
        pytest.param(Path.mkdir, id="a folder"),
    ],
)
def test_what_is_no_plain_small_file_is_no_reward(paths: TrialPaths, make: Callable[[Path], None]) -> None:
    make(paths.reward_json_path)
    with pytest.raises(VerifierOutputParseError, match=r"reward\.json is no plain file"):
        reward(paths)


def test_what_reads_plainly_is_not_changed_again(paths: TrialPaths) -> None:
    class Again(Verifier):
        """As in a nursery, which has gone through a trial when it forks."""

    harbors = inspect.unwrap(Again._parse_reward_text)  # another test of this process may have changed it
    for _ in range(3):
        read_plainly(Again)
    assert Again._parse_reward_text.__wrapped__ is harbors  # type: ignore[attr-defined]
