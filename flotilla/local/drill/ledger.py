"""The ledger: what trials themselves said of their phases, written outside of all that the system keeps."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """What a trial goes through, in this order."""

    AGENT_BEGUN = "agent begun"
    AGENT_ENDED = "agent ended"
    VERIFIER_BEGUN = "verifier begun"
    VERIFIER_ENDED = "verifier ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: when, what, where. The `nonce` is made by the trial, once, and goes into its reward as well."""

    at: float
    phase: Phase
    nonce: int
    trial: str
    worker: str


@dataclass(slots=True)
class Ledger:
    """Lines in the order in which they came; written by one thread and read by another."""

    _entries: list[Entry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries)

    def progress(self, *, runs: int) -> float:
        """0 before any trial began, 1 when as many have ended as there are runs."""
        phases = [entry.phase for entry in self.entries()]
        begun, ended = phases.count(Phase.AGENT_BEGUN), phases.count(Phase.VERIFIER_ENDED)
        return (min(begun, runs) + min(ended, runs)) / (2 * runs)

    def running(self, worker: str, *, since: float) -> int:
        """How many trials that began on this worker since then have not ended."""
        phases = [entry.phase for entry in self.entries() if entry.worker == worker and entry.at >= since]
        return phases.count(Phase.AGENT_BEGUN) - phases.count(Phase.VERIFIER_ENDED)


def by_trial(entries: Iterable[Entry]) -> Mapping[str, list[Entry]]:
    """The lines of each trial."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.trial].append(entry)
    return found
