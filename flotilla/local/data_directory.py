"""The directory that holds all state of a local stack, and the lock by which one stack at a time has it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flotilla.cli.connection import CONNECTION_FILE, Connection
from flotilla.local.faults import StackFault


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths below one data directory."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def shared(self) -> Path:
        return self.root / "shared"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def connection_file(self) -> Path:
        return self.root / CONNECTION_FILE

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def governor(self) -> Path:
        """What all that use the Docker engine share, for its limits."""
        return self.root / "governor"

    @property
    def engine_file(self) -> Path:
        """Where it is written which Docker engine the last stack used."""
        return self.root / "engine"

    @property
    def workers(self) -> Path:
        return self.root / "workers"

    def worker_scratch(self, name: str) -> Path:
        return self.workers / name

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def prepare(self) -> None:
        """Makes what is missing, for this account's eyes only. Raises StackFault if it may not write here."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
            for directory in (self.shared, self.logs, self.root / "workers"):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            fault = f"the data directory {self.root} cannot be used ({error.strerror})"
            raise StackFault(f"{fault}: name another with --data-dir") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """The lock, for the length of a `with` block; the kernel gives it back when this process ends, however it does.

        Raises StackFault, naming the holder, if another stack has it.
        """
        with self.lock_file.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fault = f"a stack already runs on {self.root} (pid {self.holder() or 'unknown'})"
                mend = "use it, stop it with `flotilla down`, or name another directory with --data-dir"
                raise StackFault(f"{fault}: {mend}") from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self.connection_file.unlink(missing_ok=True)  # of a stack that was killed
            try:
                yield
            finally:
                self.connection_file.unlink(missing_ok=True)

    def holder(self) -> int | None:
        """The process id of the stack that runs here, if one does."""
        try:
            with self.lock_file.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            written = self.lock_file.read_text()
            return int(written) if written.isdecimal() else None
        return None

    def write_connection(self, connection: Connection) -> None:
        """Tells clients how to reach the stack, all at once and for this account only."""
        known = {"url": connection.url, "api_key": connection.api_key, "pid": os.getpid(), "shared": str(self.shared)}
        draft = self.connection_file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(known, file)
        draft.replace(self.connection_file)
