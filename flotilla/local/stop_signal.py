"""SIGTERM and Ctrl-C as a question that the stack asks when it can stop: never in the middle of a step."""

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Self

_LOOK_SECONDS = 0.05


class StopAsked(Exception):
    """Somebody asked the stack to stop while it was starting."""


class StopSignal:
    """Takes the signals for the length of a `with` block; asking again changes nothing."""

    def __init__(self) -> None:
        self.asked = False
        self._former: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        hangup = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]  # `nohup` means it
        for number in (signal.SIGTERM, signal.SIGINT, *hangup):
            self._former[number] = signal.signal(number, lambda *_: self._ask())
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises StopAsked if so."""
        if self.asked:
            raise StopAsked

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Whether the condition came true in time. Raises StopAsked if that comes first."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _ask(self) -> None:
        self.asked = True
