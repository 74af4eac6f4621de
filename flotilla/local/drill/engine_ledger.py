"""The ledger of trials in Docker, which cannot reach this host: the engine's own record of what ran in which container.

A container's id begins with its nonce: the trial reads it where the kernel shows it, and puts it into its reward.
"""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flotilla.local.drill.ledger import Entry, Ledger, Phase
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineUnavailableError
from worker_agent.environments import LABEL

NONCE_DIGITS = 12  # hexadecimal: 48 bits, which every reader of JSON keeps exactly
_SCRIPTS = {
    ("/solution/solve.sh", "/logs/agent/"): (Phase.AGENT_BEGUN, Phase.AGENT_ENDED),
    ("/tests/test.sh", "/logs/verifier/"): (Phase.VERIFIER_BEGUN, Phase.VERIFIER_ENDED),
}
"""A command that runs the script and writes its log; others only make the script ready."""
READY_SECONDS = 10.0


class EngineLedger:
    """Reads the engine's events about the containers of one stack's workers."""

    def __init__(self, ledger: Ledger, *, mark: str) -> None:
        """`mark` ends the names of the stack's workers."""
        self._ledger = ledger
        self._mark = mark
        self._commands: dict[str, tuple[Phase, Phase]] = {}  # under way, by the engine's id of each

    def read(self, event: Mapping[str, Any]) -> None:
        """One event of a container."""
        action, _, command = str(event["Action"]).partition(": ")
        attributes = event["Actor"]["Attributes"]
        command_id = attributes.get("execID", "")
        if action == "exec_start" and (phases := _phases(command)):
            self._commands[command_id] = phases
            self._write(event, phases[0])
        elif action == "exec_die" and (ended := self._commands.pop(command_id, None)):
            self._write(event, ended[1])

    def _write(self, event: Mapping[str, Any], phase: Phase) -> None:
        labels = event["Actor"]["Attributes"]
        worker = labels.get(f"{LABEL}.worker", "")
        if worker.endswith(self._mark):
            nonce = int(event["Actor"]["ID"][:NONCE_DIGITS], 16)
            at = event["timeNano"] / 1e9
            self._ledger.write(Entry(at=at, phase=phase, nonce=nonce, trial=labels[f"{LABEL}.trial"], worker=worker))


def _phases(command: str) -> tuple[Phase, Phase] | None:
    return next((phases for words, phases in _SCRIPTS.items() if all(word in command for word in words)), None)


@contextmanager
def following(ledger: Ledger, *, host: str, mark: str) -> Iterator[None]:
    """Writes what the engine tells of the stack whose workers' names end with `mark`, for the length of a `with` block.

    Raises EngineUnavailableError at its end if the engine stopped telling.
    """
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    task = loop.create_task(_follow(EngineLedger(ledger, mark=mark), host=host, ready=ready))
    thread = threading.Thread(target=_run, args=(loop, task), name="ledger")
    thread.start()
    try:
        ready.wait(READY_SECONDS)
        yield
        told = not task.done()
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    if not told:
        raise EngineUnavailableError(f"the Docker engine at {host} stopped telling what it does")


async def _follow(reader: EngineLedger, *, host: str, ready: threading.Event) -> None:
    filters = {"filters": json.dumps({"type": ["container"], "label": [f"{LABEL}.trial"]})}
    stream = Engine(host).events("GET", "/events", query=filters, seconds=None)
    ready.set()
    async for event in stream:
        reader.read(event)


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    loop.run_until_complete(asyncio.wait([task]))
