"""A stack as anybody starts it, in a process of its own; when it has ended nothing of it may be left."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from flotilla.local.leftovers import left_on_host

COMMAND = [sys.executable, "-m", "flotilla.cli.main"]
STOP_SECONDS = 60
BOUND = 60.0  # seconds within which everything awaited of a stack must happen
LOOK_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class RunningStack:
    """A started stack and its key."""

    process: subprocess.Popen[str]
    directory: Path
    url: str
    key: str = field(repr=False)

    def http(self) -> httpx.Client:
        """A client with the key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=30)

    def known(self) -> dict[str, Any]:
        """What `connection.json` says."""
        document: dict[str, Any] = json.loads((self.directory / "connection.json").read_text())
        return document

    def part(self, word: str) -> int | None:
        """The process id of the part whose command line or environment has this word."""
        children = [entry for entry in Path("/proc").glob("[0-9]*") if _parent(entry) == self.process.pid]
        return next((int(entry.name) for entry in children if word in _told(entry)), None)

    def log(self, name: str) -> str:
        return (self.directory / "logs" / f"{name}.log").read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and waits; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode


@contextmanager
def running_stack(
    directory: Path, *options: str, variables: Mapping[str, str], environment: str = "sandbox"
) -> Iterator[RunningStack]:
    """A ready stack on a free port, for the length of a `with` block."""
    words = ["up", "--port", "0", "--data-dir", str(directory), "--environment", environment, *options]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True, env=dict(variables))
    assert process.stdout is not None
    try:
        lines = dict(process.stdout.readline().strip().partition("=")[::2] for _ in range(2))
        assert lines.keys() == {"FLOTILLA_URL", "FLOTILLA_API_KEY"}, "the stack did not start"
        yield RunningStack(
            process=process, directory=directory, url=lines["FLOTILLA_URL"], key=lines["FLOTILLA_API_KEY"]
        )
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
    assert left_on_host(directory) == []


def until(happened: Callable[[], bool], event: str) -> None:
    """Returns once it has happened; fails, naming the event, if it does not."""
    deadline = time.monotonic() + BOUND
    while not happened():
        assert time.monotonic() < deadline, f"not within {BOUND:.0f} s: {event}"
        time.sleep(LOOK_SECONDS)


def until_nothing_is_left(directory: Path) -> None:
    """Waits for the kernel to end what a killed supervisor had started."""
    until(lambda: left_on_host(directory) == [], f"nothing is left of {directory}: {left_on_host(directory)}")


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it ended since we looked
        return 0


def _told(process: Path) -> str:
    try:
        return ((process / "cmdline").read_bytes() + (process / "environ").read_bytes()).decode(errors="replace")
    except OSError:  # it ended since we looked, or is another account's
        return ""
