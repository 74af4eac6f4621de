"""The rehearsal's report: one line a promise, with the seconds that it took to see it kept."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Promises:
    """What was promised so far, and kept."""

    kept: int = 0
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def kept_when(self, sentence: str) -> Iterator[None]:
        """Says that the promise is kept if the block raises nothing, and otherwise that it is broken."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(f"BROKEN  {sentence}")
            raise
        self.kept += 1
        self.say(f"kept    {sentence} ({time.monotonic() - began:.1f} s)")

    def say(self, line: str) -> None:
        """Prints a line at once."""
        print(line, flush=True)  # noqa: T201 - what the rehearsal is for
