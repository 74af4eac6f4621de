"""The most of each thing that was seen, by looking again and again while something else runs."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

type Look = Callable[[], Mapping[str, int]]


@dataclass(slots=True)
class Peak:
    """The highest count of each thing, by its name."""

    counts: dict[str, int] = field(default_factory=dict)

    def see(self, counts: Mapping[str, int]) -> None:
        """One look."""
        for name, count in counts.items():
            self.counts[name] = max(count, self.counts.get(name, 0))


@contextmanager
def watching(look: Look, *, every: float) -> Iterator[Peak]:
    """Looks every so many seconds until the block ends."""
    peak, done = Peak(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, done, look, every))
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _watch(peak: Peak, done: threading.Event, look: Look, every: float) -> None:
    peak.see(look())  # at least once, however short the block is
    while not done.wait(every):
        peak.see(look())
