"""A reader that looks all the time: as soon as a run is visible as graded, everything of it must be there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.worker_agent.workplace import Workplace

LOOK_SECONDS = 0.2
FILES = frozenset({"trial.log", "config.json", "agent/oracle.txt", "verifier/test-stdout.txt", "verifier/reward.txt"})
"""What Harbor and the oracle leave of every trial of the test's task, beside the result."""


class Reader:
    """Looks at every newly graded run of a job, once, at once."""

    def __init__(self, workplace: Workplace, job_id: str) -> None:
        self._workplace = workplace
        self._job_id = job_id
        self.seen: dict[str, list[str]] = {}
        """What was wrong with each graded run when it was first seen."""

    def look(self) -> None:
        items = self._workplace.get(f"/v1/jobs/{self._job_id}/runs?limit=200")["items"]
        for run in items:
            if run["state"] == "graded" and run["id"] not in self.seen:
                self.seen[run["id"]] = list(self._faults(self._workplace.get(f"/v1/runs/{run['id']}")))

    def _faults(self, run: dict[str, Any]) -> Iterator[str]:
        counted = [trial for trial in run["trials"] if trial["state"] == "graded"]
        if len(counted) != 1:
            yield f"{len(counted)} trials count"
            return
        directory = self._workplace.layout.root / counted[0]["path"]
        missing = sorted(name for name in FILES if not (directory / name).is_file())
        if missing:
            yield f"{counted[0]['name']} has no {', '.join(missing)}"
        told = self._workplace.http.get(f"/v1/runs/{run['id']}/result").json()
        try:
            if json.loads((directory / "result.json").read_bytes()) != told:
                yield "result.json is not what the row says"
        except (OSError, ValueError) as fault:
            yield f"result.json: {fault}"
        for stream in ("trial", "agent", "verifier"):
            log = self._workplace.http.get(f"/v1/runs/{run['id']}/logs?stream={stream}")
            if log.headers["X-Complete"] != "true":
                yield f"the {stream} log is not complete"
        if (directory / "trial.log").read_text() != self._workplace.http.get(f"/v1/runs/{run['id']}/logs").text:
            yield "the shown log is not the file"


@contextmanager
def watched(workplace: Workplace, job_id: str) -> Iterator[Reader]:
    """The reader in a thread of its own, for the length of a `with` block; it looks once more at its end."""
    reader, stop = Reader(workplace, job_id), threading.Event()

    def keep_looking() -> None:
        while not stop.wait(LOOK_SECONDS):
            reader.look()

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield reader
    finally:
        stop.set()
        thread.join()
    reader.look()
