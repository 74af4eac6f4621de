"""What the nursery's children do in its tests: entries of orders."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from worker_agent import trial


def write_environment(target: str) -> int:
    """Writes its own environment and its rank when memory runs out; returns how many files it has open."""
    lines = [f"{name}={value}" for name, value in os.environ.items()]
    lines.append(f"(oom)={Path('/proc/self/oom_score_adj').read_text(encoding='ascii').strip()}")
    Path(target).write_text("\n".join(lines), encoding="utf-8")
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_for_the_end(target: str, *, stubborn: bool = False) -> int:
    """Writes its pid, then waits for SIGTERM, which a stubborn one ignores."""
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(target).write_text(str(os.getpid()), encoding="utf-8")
    while True:
        time.sleep(60)


def fail() -> int:
    """Raises."""
    raise RuntimeError("as it was told to")


def succeed() -> int:
    """Returns an exit code of its own."""
    return 7


def leave(left: str, place: str) -> int:
    """Leaves what another trial has left."""
    shutil.copytree(left, place)
    return 0


def grade(place: str) -> int:
    """Leaves the shortest trial that counts."""
    directory = Path(place)
    directory.mkdir()
    (directory / "trial.log").write_text("the last line\n", encoding="utf-8")
    result = {"verifier_result": {"rewards": {"reward": 1.0}}}
    (directory / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return 0


def log_and_wait(place: str) -> int:
    """Writes to its log now and when it is told to stop, and then ends without a result."""
    directory = Path(place)
    directory.mkdir()

    def say(line: str) -> None:
        with (directory / "trial.log").open("a", encoding="utf-8") as log:
            log.write(line)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    say("the first line\n")
    signal.sigwait({signal.SIGTERM})
    say("the last line\n")
    return 3


def list_late_imports(target: str, order: dict[str, Any]) -> int:
    """Runs a trial and writes down, one a line, what had to be imported for it."""
    before = set(sys.modules)
    code = trial.run(**order)
    Path(target).write_text("\n".join(sorted(set(sys.modules) - before)), encoding="utf-8")
    return code
