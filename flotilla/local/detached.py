"""A stack in the background: started by a process that returns when it is ready, stopped by its process id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from flotilla.cli.connection import Connection, read_connection
from flotilla.local.children import SOURCE
from flotilla.local.data_directory import DataDirectory
from flotilla.local.dead_stack import clear
from flotilla.local.faults import StackFault
from flotilla.local.plan import Plan
from flotilla.local.supervisor import READY

STOP_SECONDS = 120.0  # workers, server, queue and database each have a bound of their own
LOOK_SECONDS = 0.1


def start_detached(plan: Plan, *, say: Callable[[str], None]) -> Connection:
    """Starts a stack in a session of its own and waits until it is ready.

    Raises StackFault with what it said if it ends before.
    """
    plan.directory.prepare()
    log = plan.directory.log("stack")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flotilla.cli.main", "up", *_options(plan)],
            env=dict(plan.variables),
            cwd=SOURCE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the key is printed there
            stderr=output,
            start_new_session=True,
        )
    while process.poll() is None:
        if plan.directory.holder() == process.pid and plan.directory.connection_file.exists():
            # Whether it has said already that it is ready is a matter of moments: here it is said after all else.
            say("\n".join([*(line for line in log.read_text().splitlines() if line != READY), READY]))
            return read_connection(plan.directory.connection_file)
        time.sleep(LOOK_SECONDS)
    said = (line.removeprefix("flotilla: ") for line in log.read_text().splitlines())
    raise StackFault("\n".join(said))


def stop_detached(directory: DataDirectory, *, say: Callable[[str], None]) -> None:
    """Stops the stack that runs on a data directory, and waits until nothing of it is left.

    Where none runs, what a killed one left is removed.
    """
    holder = directory.holder()
    if holder is None:
        say(f"no stack runs on {directory.root}")
        if directory.lock_file.exists():
            with directory.held():
                removed = clear(directory, say=say)
            if removed:
                say(f"removed what a killed one left: {', '.join(removed)}")
        return
    os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while directory.holder() is not None:
        if time.monotonic() > deadline:
            raise StackFault(f"the stack (pid {holder}) has not stopped within {STOP_SECONDS:.0f} s: look at its logs")
        time.sleep(LOOK_SECONDS)
    say(f"stopped the stack on {directory.root}")


def _options(plan: Plan) -> list[str]:
    options = ["--port", str(plan.port), "--data-dir", str(plan.directory.root.resolve())]
    options += ["--workers", str(plan.workers), "--slots", str(plan.slots), "--environment", plan.environment]
    if plan.secrets_file is not None:
        options += ["--secrets-file", str(plan.secrets_file.resolve())]
    return options
