"""The data directory: for one account, one stack, one truth about how to reach it."""

import json
import os
import stat
from pathlib import Path

import pytest

from flotilla.cli.connection import Connection, read_connection
from flotilla.local.data_directory import DataDirectory
from flotilla.local.faults import StackFault

CONNECTION = Connection(url="http://127.0.0.1:1", api_key="fl_1")


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "deep" / "data")
    directory.prepare()
    return directory


def test_it_is_for_its_account_only_even_if_it_was_there_before(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    DataDirectory(tmp_path).prepare()
    made = [tmp_path, *(tmp_path / name for name in ("shared", "logs", "workers"))]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


def test_one_stack_at_a_time_has_it(directory: DataDirectory) -> None:
    assert directory.holder() is None
    with directory.held():
        assert directory.holder() == os.getpid()
        with pytest.raises(StackFault, match=rf"already runs on .* \(pid {os.getpid()}\)"), directory.held():
            pass
    assert directory.holder() is None


def test_what_a_killed_stack_told_its_clients_is_gone_when_the_next_begins(directory: DataDirectory) -> None:
    directory.write_connection(CONNECTION)
    with directory.held():
        assert not directory.connection_file.exists()


def test_clients_read_what_the_stack_wrote_and_lose_it_when_it_ends(directory: DataDirectory) -> None:
    with directory.held():
        directory.write_connection(CONNECTION)
        assert read_connection(directory.connection_file) == CONNECTION
        assert stat.S_IMODE(directory.connection_file.stat().st_mode) == 0o600
        assert json.loads(directory.connection_file.read_text())["pid"] == os.getpid()
    assert not directory.connection_file.exists()


def test_a_directory_that_cannot_be_made_is_a_fault_with_a_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackFault, match=r"cannot be used \(Not a directory\): name another with --data-dir"):
        DataDirectory(tmp_path / "file" / "data").prepare()
