"""Waiting for an event, with a bound."""

import time
from collections.abc import Callable

SECONDS = 20


def until(happened: Callable[[], bool], event: str) -> None:
    """Returns once it has happened; fails, naming the event, if it does not."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {event}"
        time.sleep(0.01)
