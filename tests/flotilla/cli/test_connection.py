"""Where commands find their server."""

import json
from pathlib import Path

import pytest

from flotilla.cli.connection import Connection, default_data_directory, find_connection, read_connection
from flotilla.cli.faults import CommandFault, ExitCode


def test_the_environment_comes_first() -> None:
    variables = {"FLOTILLA_URL": "http://127.0.0.1:1", "FLOTILLA_API_KEY": "fl_1"}
    assert find_connection(variables) == Connection(url="http://127.0.0.1:1", api_key="fl_1")


@pytest.mark.parametrize(("given", "missing"), [("URL", "API_KEY"), ("API_KEY", "URL")])
def test_half_a_connection_is_an_error_that_names_the_other_half(given: str, missing: str) -> None:
    with pytest.raises(CommandFault, match=f"FLOTILLA_{given} is set and FLOTILLA_{missing} is not"):
        find_connection({f"FLOTILLA_{given}": "x"})


def test_the_file_of_a_local_stack_is_read(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    path.write_text(json.dumps({"url": "http://127.0.0.1:2", "api_key": "fl_2", "pid": 1, "shared": "/x"}))
    assert read_connection(path) == Connection(url="http://127.0.0.1:2", api_key="fl_2")


def test_without_a_stack_the_fault_names_both_ways_to_one(tmp_path: Path) -> None:
    with pytest.raises(CommandFault, match="flotilla up") as raised:
        read_connection(tmp_path / "connection.json")
    assert raised.value.code is ExitCode.UNREACHABLE
    assert "FLOTILLA_URL" in str(raised.value)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "connection.json").write_text("{")
    with pytest.raises(CommandFault, match=r"connection\.json cannot be read"):
        read_connection(tmp_path / "connection.json")


def test_the_key_is_not_shown_by_accident() -> None:
    assert "fl_3" not in repr(Connection(url="http://127.0.0.1:3", api_key="fl_3"))


def test_state_lives_where_the_account_keeps_its_data() -> None:
    assert default_data_directory({}, root=True) == Path("/var/lib/flotilla")
    assert default_data_directory({"HOME": "/home/a"}, root=False) == Path("/home/a/.local/share/flotilla")
    assert default_data_directory({"XDG_DATA_HOME": "/data"}, root=False) == Path("/data/flotilla")
