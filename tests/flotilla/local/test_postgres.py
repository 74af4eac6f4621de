"""The embedded PostgreSQL: starts anywhere, dies with its starter, loses nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from flotilla.local import postgres
from flotilla.local.postgres_cluster import PostgresError

REPOSITORY = Path(__file__).parents[3]
BOUND = 30.0  # seconds within which everything awaited here must happen

STARTER = """
import sys
from pathlib import Path
from flotilla.local import postgres
server = postgres.start(Path(sys.argv[1]), durable=False)
print(server.pid, server.url(), flush=True)
sys.stdin.read()
server.stop()
"""

# Without root's rights, but able to read an interpreter that lies in root's home.
CAPABILITIES = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *CAPABILITIES]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[postgres.Postgres]:
    with postgres.running(tmp_path / "cluster", durable=False) as server:
        yield server


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last statement."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        results = [connection.execute(sqlalchemy.text(statement)) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []


def start_apart(directory: Path, *, prefix: list[str] | None = None) -> tuple[subprocess.Popen[str], int, str]:
    """A process of its own that has started a server: the process, the server's pid and URL."""
    command = [*(prefix or []), sys.executable, "-c", STARTER, str(directory)]
    starter = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "."}
    )
    assert starter.stdout is not None
    pid, url = starter.stdout.readline().split()
    return starter, int(pid), url


def end(starter: subprocess.Popen[str]) -> int:
    starter.communicate(timeout=BOUND)
    return starter.returncode


def kill(starter: subprocess.Popen[str]) -> None:
    starter.kill()
    starter.communicate(timeout=BOUND)


def processes_in(directory: Path) -> list[str]:
    """All processes, except dead ones, that work in the directory."""
    places = [str(place) for place in Path("/proc").glob("[0-9]*/cwd")]
    listing = subprocess.run(["ls", "-l", *places], capture_output=True, text=True, check=False)  # some end meanwhile
    return [line for line in listing.stdout.splitlines() if line.endswith(f"-> {directory}")]


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_server_speaks_utf8_and_utc_and_listens_on_no_network(server: postgres.Postgres) -> None:
    names = ["server_encoding", "timezone", "listen_addresses", "max_connections"]
    rows = [execute(server.url(), f"SHOW {name}") for name in names]
    assert rows == [[("UTF8",)], [("UTC",)], [("",)], [("200",)]]
    assert execute(server.url(), "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == [("C",)]


def test_a_server_is_durable_unless_told_otherwise(tmp_path: Path) -> None:
    with postgres.running(tmp_path / "cluster") as server:
        assert execute(server.url(), "SHOW fsync") == [("on",)]


def test_a_setting_of_the_caller_wins(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "cluster", durable=False, settings={"work_mem": "7MB"})
    try:
        assert execute(server.url(), "SHOW work_mem") == [("7MB",)]
    finally:
        server.stop()


def test_a_database_is_made_from_a_template_and_dropped(server: postgres.Postgres) -> None:
    server.create_database("pattern")
    execute(server.url("pattern"), "CREATE TABLE ships AS SELECT 3 AS masts")
    server.create_database("copy", template="pattern")
    assert execute(server.url("copy"), "SELECT masts FROM ships") == [(3,)]
    server.drop_database("copy")
    with pytest.raises(sqlalchemy.exc.OperationalError, match="does not exist"):
        execute(server.url("copy"), "SELECT 1")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_data_and_address_survive_a_restart(server: postgres.Postgres, mode: postgres.StopMode) -> None:
    url, pid = server.url(), server.pid
    execute(url, "CREATE TABLE ships AS SELECT 3 AS masts")
    server.restart(mode)
    assert server.pid != pid
    assert server.url() == url
    assert execute(url, "SELECT masts FROM ships") == [(3,)]


def test_a_stopped_server_leaves_no_process_and_can_be_stopped_again(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "cluster", durable=False)
    assert processes_in(tmp_path / "cluster" / "data")
    server.stop()
    server.stop()
    assert processes_in(tmp_path / "cluster" / "data") == []


def test_a_killed_starter_leaves_no_server_and_all_data(tmp_path: Path) -> None:
    starter, _, url = start_apart(tmp_path / "cluster")
    execute(url, "CREATE TABLE ships AS SELECT 3 AS masts")
    kill(starter)
    await_true(lambda: processes_in(tmp_path / "cluster" / "data") == [])
    with postgres.running(tmp_path / "cluster", durable=False) as server:
        assert execute(server.url(), "SELECT masts FROM ships") == [(3,)]


def test_a_cluster_starts_at_once_after_its_starter_was_killed(tmp_path: Path) -> None:
    starter, _, _ = start_apart(tmp_path / "cluster")
    kill(starter)
    with postgres.running(tmp_path / "cluster", durable=False) as server:
        assert execute(server.url(), "SELECT 1") == [(1,)]


def test_a_recorded_pid_that_another_process_has_now_does_not_hinder_a_start(tmp_path: Path) -> None:
    postgres.start(tmp_path / "cluster", durable=False).stop()
    lock = tmp_path / "cluster" / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1\n5432\n{lock.parents[1]}\n\n0 0\nready\n")
    with postgres.running(tmp_path / "cluster", durable=False) as server:
        assert execute(server.url(), "SELECT 1") == [(1,)]


def test_no_directory_above_the_cluster_is_opened_for_the_server(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with postgres.running(closed / "deep" / "cluster", durable=False) as server:
        assert execute(server.url(), "SELECT 1") == [(1,)]
        places = [closed, closed / "deep" / "cluster", closed / "deep" / "cluster" / "data"]
        assert [place.stat().st_mode & 0o777 for place in places] == [0o700, 0o700, 0o700]
    assert (closed.stat().st_uid, closed.stat().st_gid) == (os.geteuid(), os.getegid())


def test_a_path_too_long_for_a_socket_gets_a_short_one_that_goes_with_the_server(tmp_path: Path) -> None:
    with postgres.running(tmp_path / ("long" * 40), durable=False) as server:
        address = Path(sqlalchemy.make_url(server.url()).query["host"])  # type: ignore[arg-type]
        assert execute(server.url(), "SELECT 1") == [(1,)]
        assert address.stat().st_mode & 0o777 == 0o700
    assert not address.exists()


def test_the_server_sees_no_variable_of_its_starter(server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "of-nobodys-business")
    server.restart()
    assert "OPENROUTER" not in Path(f"/proc/{server.pid}/environ").read_text()


def test_an_account_without_rights_runs_its_own_server(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    directory.mkdir()
    rootless = AS_NOBODY if os.geteuid() == 0 else []
    if rootless:
        subprocess.run(["chown", "nobody", str(directory)], check=True)
    starter, pid, url = start_apart(directory, prefix=rootless)
    assert execute(url, "SHOW fsync") == [("off",)]
    assert Path(f"/proc/{pid}").stat().st_uid == directory.stat().st_uid
    assert end(starter) == 0
    assert processes_in(directory / "data") == []


def test_a_setting_that_the_server_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="unrecognized configuration parameter"):
        postgres.start(tmp_path / "cluster", durable=False, settings={"masts": "3"})


def test_a_second_server_on_one_cluster_is_refused(
    server: postgres.Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flotilla.local.postgres_cluster.LEFTOVER_SECONDS", 0.0)
    with pytest.raises(PostgresError, match="already runs"):
        postgres.start(tmp_path / "cluster", durable=False)
    assert execute(server.url(), "SELECT 1") == [(1,)]
