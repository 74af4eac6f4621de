"""From a plan to a running stack and back: one process that is the parent of all parts and does nothing else."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flotilla.cli.connection import Connection
from flotilla.local.dead_stack import clear, remember_engine
from flotilla.local.faults import StackFault
from flotilla.local.plan import Plan
from flotilla.local.processes import adopt_orphans
from flotilla.local.readiness import LOOPBACK
from flotilla.local.stack import Stack
from flotilla.local.stop_signal import StopAsked, StopSignal
from worker_agent.settings import Wanted

LOOK_SECONDS = 0.1
READY = "ready; Ctrl-C or `flotilla down` stops it"
PLACES = {Wanted.DOCKER: "Docker containers", Wanted.SANDBOX: "sandboxes on this host, not in containers"}


def run(plan: Plan, *, say: Callable[[str], None], ready: Callable[[Connection], None]) -> None:
    """Runs a stack until SIGTERM or Ctrl-C; calls `ready` once everything answers. Only for the main thread.

    Raises StackFault if the stack cannot start, with nothing left running.
    """
    try:
        with raised(plan, say=say) as running:
            ready(running.connection)
            say(READY)
            while not running.stop.asked:
                running.stack.tend()
                time.sleep(LOOK_SECONDS)
    except StopAsked:
        say("stopped before it was ready")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that answers, until `stop` is asked."""

    stack: Stack
    connection: Connection
    stop: StopSignal
    plan: Plan


@contextmanager
def raised(plan: Plan, *, say: Callable[[str], None]) -> Iterator[Running]:
    """A stack for the length of a `with` block, which has to tend it. Only for the main thread.

    Raises StackFault if the stack cannot start, StopAsked if that is asked for first; nothing is left running.
    """
    plan.check_secrets_file()
    plan.directory.prepare()
    adopt_orphans()
    with StopSignal() as stop, plan.directory.held(), _listening(plan.port) as listener:
        clear(plan.directory, say=say)
        chosen = asyncio.run(plan.choose_environment())
        remember_engine(plan.directory, chosen.docker_host)
        say(f"trials run in {PLACES[chosen.name]}: {chosen.reason}")
        plan = replace(plan, environment=chosen.name.value)  # decided once: no worker decides otherwise
        stack = Stack(plan, listener=listener, say=say)
        try:
            connection = stack.start(stop=stop)
            plan.directory.write_connection(connection)
            yield Running(stack=stack, connection=connection, stop=stop, plan=plan)
        finally:
            stack.stop()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """The API's socket. The supervisor holds it open, so that a server that is started again refuses no client."""
    try:
        listener = socket.create_server((LOOPBACK, port), backlog=1024)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        fault = f"port {port} of {LOOPBACK} cannot be used ({error.strerror})"
        raise StackFault(f"{fault}: name another with --port, or 0 for any that is free") from error
    with listener:
        yield listener
