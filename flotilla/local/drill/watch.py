"""A client that watches the drill's job over the API the whole time, as a person would, and notes what it saw."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from flotilla.cli.client import Client
from flotilla.cli.connection import Connection
from flotilla.cli.documents import Job
from flotilla.cli.faults import CommandFault
from flotilla.local.drill.task import NONCE_KEY

JOB_SECONDS = 1.0
ROUNDS_A_LIST = 5  # the list of all runs is long
FINAL = frozenset({"graded", "errored", "cancelled"})


class Watch:
    """What was seen so far. A server that does not answer is asked again."""

    def __init__(self, connection: Connection, job_id: str) -> None:
        self._connection = connection
        self.job_id = job_id
        self._over = threading.Event()
        self._final: dict[int, tuple[str, int | None]] = {}
        self._job: Job | None = None
        self.rewritten: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether the job was seen ended."""
        return self._job is not None and self._job["state"] != "running"

    @property
    def counts(self) -> Mapping[str, int]:
        """How many runs stood where when it was last asked."""
        return {} if self._job is None else numbers_of(self._job)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watches for the length of a `with` block."""
        thread = threading.Thread(target=self._run, name="watch")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        rounds = 0
        with Client.opened(self._connection) as client:
            while not self._over.wait(JOB_SECONDS):
                try:
                    self._job = client.job(self.job_id)
                    if rounds % ROUNDS_A_LIST == 0:
                        self.look(list(client.runs(self.job_id)))
                    rounds += 1
                except CommandFault:
                    continue  # server or database are away, which is part of the drill

    def look(self, runs: list[Any]) -> None:
        """Notes what is final, and what is not any more."""
        for run in runs:
            former = self._final.get(run["number"])
            now = (run["state"], nonce_of(run["rewards"]))
            if former is not None and former != now:
                told = f"{former[0]} by {former[1]}, then {now[0]} by {now[1]}"
                self.rewritten.append(f"run {run['number']} was {told}, says the API")
            if run["state"] in FINAL:
                self._final[run["number"]] = now


def numbers_of(job: Job) -> dict[str, int]:
    """How many of its runs stand where, as far as there are any."""
    return {state: number for state, number in cast(dict[str, int], job["counts"]).items() if number}


def nonce_of(rewards: Mapping[str, float] | None) -> int | None:
    """The nonce that a trial of the drill put into its reward."""
    nonce = (rewards or {}).get(NONCE_KEY)
    return None if nonce is None else int(nonce)
