"""How a job is doing, on one line: redrawn in place on a terminal, said anew every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from flotilla.cli.documents import Job

PLAIN_SECONDS = 5.0
BAR_WIDTH = 20


def describe(job: Job, *, seconds: float) -> str:
    """The line, such as `job_0jd…  ████░░  4/10 ended: 4 graded, 2 running, 4 queued, mean reward 1  0:12`."""
    counts = job["counts"]
    ended = counts["graded"] + counts["errored"] + counts["cancelled"]
    filled = BAR_WIDTH * ended // max(job["runs"], 1)
    standing = [f"{number} {state}" for state, number in counts.items() if number]
    mean = "" if job["mean_reward"] is None else f", mean reward {job['mean_reward']:.3g}"
    bar = "█" * filled + "░" * (BAR_WIDTH - filled)
    return f"{job['id']}  {bar}  {ended}/{job['runs']} ended: {', '.join(standing)}{mean}  {clock(seconds)}"


def clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are some."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


@contextmanager
def progress(console: Console) -> Iterator[Callable[[Job], None]]:
    """Shows a job each time the given function is called with it."""
    started = time.monotonic()
    if console.is_terminal:
        with console.status("") as status:
            yield lambda job: status.update(describe(job, seconds=time.monotonic() - started))
    else:
        yield _Plain(console, started=started)


class _Plain:
    """A line at once, then when something has changed and some seconds have passed."""

    def __init__(self, console: Console, *, started: float) -> None:
        self._console = console
        self._started = started
        self._said: object = None
        self._due = started

    def __call__(self, job: Job) -> None:
        now = time.monotonic()
        over = job["state"] != "running"
        if job["counts"] == self._said or (now < self._due and not over):
            return
        self._said, self._due = job["counts"], now + PLAIN_SECONDS
        self._console.print(describe(job, seconds=now - self._started), soft_wrap=True, highlight=False)
