"""What the nursery's children do in its tests: entries of orders."""

import os
import signal
import time
from pathlib import Path


def write_environment(target: str) -> int:
    """Writes its own environment, and what it inherited as open files."""
    lines = [f"{name}={value}" for name, value in os.environ.items()]
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
