"""The directory of a PostgreSQL server: how its cluster is made, whose it is, and what a dead server left in it."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

SERVER_ACCOUNT = "nobody"  # PostgreSQL refuses to run as root
LEFTOVER_SECONDS = 30.0  # how long a server whose starter was killed may take to shut down
LOG_TAIL_LINES = 15
READY_LINE = 7  # of postmaster.pid, counted from 0: the server's state


class PostgresError(Exception):
    """The embedded PostgreSQL cannot be made or started; the message quotes its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`directory` belongs to the caller, mode 0700; `data` in it belongs to the server's account, also 0700."""

    directory: Path
    binaries: Path

    @classmethod
    def prepared(cls, directory: Path, *, binaries: Path, durable: bool) -> Self:
        """The cluster in a directory, made there if there is none yet."""
        directory = directory.resolve()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)  # any account that reaches the socket is let in
        cluster = cls(directory=directory, binaries=binaries)
        if not cluster.data.exists():
            cluster._initialize(durable=durable)
        return cluster

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "postgres.log"

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this pid says that it takes connections."""
        lines = self._lock_lines()
        return len(lines) > READY_LINE and lines[0].strip() == str(pid) and lines[READY_LINE].strip() == "ready"

    def settle(self) -> None:
        """Wait for a server that still shuts down here, then clear what a dead one left."""
        if not wait_until(lambda: not self._living_processes(), seconds=LEFTOVER_SECONDS):
            message = f"PostgreSQL already runs in {self.directory} (pids {self._living_processes()})"
            raise PostgresError(f"{message}: stop what started it, or choose another directory")
        # The server would take any living process with the recorded pid for itself, and refuse to start.
        for leftover in (self.data / "postmaster.pid", *self.directory.glob(".s.PGSQL.*")):
            leftover.unlink(missing_ok=True)

    def log_tail(self) -> str:
        """The last lines of the server's log, with its path."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"The end of {self.log}:", *lines])

    def _initialize(self, *, durable: bool) -> None:
        """Make the cluster beside its place and move it there, so that `data` is never half a cluster."""
        fresh = self.directory / "data.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            account = pwd.getpwnam(SERVER_ACCOUNT)
            os.chown(fresh, account.pw_uid, account.pw_gid)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        options += [] if durable else ["--no-sync"]
        with self.log.open("ab") as log:
            command = [str(self.binaries / "initdb"), "-D", str(fresh), *options]
            status = as_server(command, directory=self.directory, output=log).wait()
        if status != 0:
            raise PostgresError(f"no PostgreSQL cluster can be made in {self.directory}. {self.log_tail()}")
        fresh.rename(self.data)

    def _living_processes(self) -> list[int]:
        """The processes of a server that runs on this cluster: the working directory of each is its data."""
        return [int(process.name) for process in Path("/proc").glob("[0-9]*") if _works_in(process, self.data)]

    def _lock_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def as_server(command: list[str], *, directory: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program as the server's account, with no variable of ours, to be stopped when this thread ends.

    It has a session of its own: Ctrl-C on the terminal is for its starter, which still needs it to finish.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "INT", *_account_options(), *command],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _works_in(process: Path, directory: Path) -> bool:
    try:
        return (process / "cwd").readlink() == directory
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended, or is another account's
        return False


def _account_options() -> list[str]:
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam(SERVER_ACCOUNT)
    # The capability lets it through directories that only root may enter, so that none has to be opened for it.
    passage = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *passage]


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether the condition came true in time; it is asked every 10 ms."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
