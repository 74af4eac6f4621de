"""The parts of a local stack: started in order, started again when they die, stopped in the opposite order."""

import contextlib
import secrets
import signal
import socket
from collections.abc import Callable
from functools import partial

from psycopg.errors import DuplicateDatabase
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from flotilla import database, schema
from flotilla.cli.connection import Connection
from flotilla.local import postgres
from flotilla.local.children import Child
from flotilla.local.faults import StackFault
from flotilla.local.plan import Plan
from flotilla.local.postgres import Postgres, StopMode
from flotilla.local.postgres_cluster import PostgresError
from flotilla.local.processes import end_orphans, has_ended, reap_orphans
from flotilla.local.programs import Addresses, queue_program, server_program, worker_program
from flotilla.local.readiness import LOOPBACK, answers_health, is_listening, missing_workers
from flotilla.local.stop_signal import StopSignal
from flotilla.store.dispatching import forget_messages
from flotilla.store.keys import issue_key, revoke_keys
from flotilla.store.workers import mark_silent_workers

DATABASE = "flotilla"
KEY_NAME = "local"
READY_SECONDS = 60.0
PULSE_NOW = signal.SIGUSR1  # the server takes it as "beat at once"
ORPHAN_SECONDS = 25.0  # a trial's process may take twenty to take its environment down


class Stack:
    """All parts of one stack, some of them perhaps not started yet.

    The kernel ends each part with the thread that started it: this is for the main thread of a process.
    """

    def __init__(self, plan: Plan, *, listener: socket.socket, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._listener = listener
        self._say = say
        self._postgres: Postgres | None = None
        self._engine: Engine | None = None
        self._queue: Child | None = None
        self._server: Child | None = None
        self._workers: list[Child] = []
        self._queue_port = _free_port()
        self._queue_key = secrets.token_hex(16)
        self._queue_is_empty = False
        self._addresses: Addresses | None = None
        self._database_is_away = False
        self._leaving: set[str] = set()

    @property
    def addresses(self) -> Addresses:
        """Where the parts of this started stack are."""
        assert self._addresses is not None  # noqa: S101 - only a started stack is asked
        return self._addresses

    def start(self, *, stop: StopSignal) -> Connection:
        """Starts every part and returns when all answer. Raises StackFault, or StopAsked if `stop` comes first."""
        engine, url = self._start_database()
        key = _take_over(engine)
        stop.check()
        endpoint = self._start_queue(stop)
        self._addresses = Addresses(database_url=url, queue_endpoint=endpoint, queue_key=self._queue_key)
        self._start_programs(self._addresses)
        port: int = self._listener.getsockname()[1]
        self._await(self._server, partial(answers_health, port), stop=stop)
        for worker in self._workers:
            self._await(worker, partial(_accepts, engine, worker.name), stop=stop)
        return Connection(url=f"http://{LOOPBACK}:{port}", api_key=key)

    def tend(self) -> None:
        """One look at every part: what died is started again, and a queue that lost its messages gets them anew."""
        assert self._postgres is not None  # noqa: S101 - only a started stack is tended
        if not self._database_is_away and has_ended(self._postgres.pid):
            self._say("PostgreSQL had ended and is started again")
            self._postgres.restart()
        for child in self._children():
            if child.name not in self._leaving and child.tend():
                self._say(f"{child.name} had ended and was started again; {child.program.log} may say why")
                self._queue_is_empty |= child is self._queue
        if self._queue_is_empty and is_listening(self._queue_port):
            self._refill_queue()
        reap_orphans(known=self._known())

    def worker(self, name: str) -> Child:
        """The worker of that name, running or about to be started again."""
        return next(child for child in self._workers if child.name == name)

    def hire(self, name: str) -> None:
        """Starts one more worker."""
        worker = Child(worker_program(self._plan, name=name, addresses=self.addresses))
        worker.start()
        self._workers.append(worker)

    def let_leave(self, name: str) -> None:
        """When this worker ends it is not started again."""
        self._leaving.add(name)

    def dismiss(self, name: str) -> None:
        """Ends a worker on the spot, for good."""
        worker = self.worker(name)
        worker.send_signal(signal.SIGKILL)
        worker.await_end()
        self._workers.remove(worker)
        self._leaving.discard(name)

    def kill_queue(self) -> None:
        """Ends the queue with all messages in it; `tend` starts it again and has it filled anew."""
        if self._queue is not None:
            self._queue.send_signal(signal.SIGKILL)

    def kill_server(self) -> None:
        """Ends API and pulse; `tend` starts them again."""
        if self._server is not None:
            self._server.send_signal(signal.SIGKILL)

    def take_database_away(self, mode: StopMode) -> None:
        """Stops the database, which stays away until `bring_database_back`."""
        assert self._postgres is not None  # noqa: S101 - only a started stack has one
        self._database_is_away = True
        self._postgres.stop(mode)

    def bring_database_back(self) -> None:
        """Starts the database again, with all that was in it."""
        assert self._postgres is not None  # noqa: S101 - only a started stack has one
        self._postgres.restart()
        self._database_is_away = False

    def stop(self) -> None:
        """Stops every part that was started. Workers give back what they run before the rest goes."""
        for group in (self._workers, filter(None, [self._server]), filter(None, [self._queue])):
            parts = list(group)
            for child in parts:
                child.send_signal(signal.SIGTERM)
            for child in parts:
                child.await_end()
        end_orphans(known=self._known(), grace_seconds=ORPHAN_SECONDS)
        if self._engine is not None:
            self._engine.dispose()
        if self._postgres is not None:
            self._postgres.stop()

    def _start_database(self) -> tuple[Engine, str]:
        try:
            self._postgres = postgres.start(self._plan.directory.postgres)
        except PostgresError as error:
            raise StackFault(str(error)) from error
        with contextlib.suppress(DuplicateDatabase):  # from the second start on it is there
            self._postgres.create_database(DATABASE)
        url = self._postgres.url(DATABASE)
        self._engine = database.connect(url, pool_size=1)
        schema.migrate(self._engine)
        return self._engine, url

    def _start_queue(self, stop: StopSignal) -> str:
        self._queue = Child(queue_program(self._plan, port=self._queue_port, key=self._queue_key))
        self._queue.start()
        self._await(self._queue, partial(is_listening, self._queue_port), stop=stop)
        return f"http://{LOOPBACK}:{self._queue_port}"

    def _start_programs(self, addresses: Addresses) -> None:
        plan = self._plan
        self._server = Child(server_program(plan, addresses=addresses, listener=self._listener.fileno()))
        self._workers = [Child(worker_program(plan, name=name, addresses=addresses)) for name in plan.worker_names]
        for child in (self._server, *self._workers):
            child.start()

    def _await(self, child: Child | None, is_ready: Callable[[], bool], *, stop: StopSignal) -> None:
        assert child is not None  # noqa: S101 - it was started a line ago
        if stop.wait_until(lambda: is_ready() or not child.is_running, seconds=READY_SECONDS) and child.is_running:
            return
        fault = f"{child.name} did not become ready" if child.is_running else f"{child.name} ended"
        raise StackFault(f"{fault}. The end of {child.program.log}:\n{child.log_tail()}")

    def _refill_queue(self) -> None:
        """Has every queued run sent again: a message too many costs one claim."""
        assert self._engine is not None  # noqa: S101 - only a started stack is tended
        assert self._server is not None  # noqa: S101
        try:
            with self._engine.begin() as connection:
                forget_messages(connection)
        except DBAPIError as fault:
            self._say(f"the queue could not be filled again, which is tried anew: {fault}")
            return
        self._queue_is_empty = False
        self._server.send_signal(PULSE_NOW)

    def _children(self) -> list[Child]:
        return [child for child in (self._queue, self._server, *self._workers) if child is not None]

    def _known(self) -> set[int]:
        postgres_pid = set() if self._postgres is None else {self._postgres.pid}
        return postgres_pid | {child.pid for child in self._children() if child.pid is not None}


def _take_over(engine: Engine) -> str:
    """Ends what a killed stack left in the database, and issues the one key that is good from now on."""
    with engine.begin() as connection:
        forget_messages(connection)  # the queue is memory: what a former one held is gone
        mark_silent_workers(connection, after_seconds=0)
        revoke_keys(connection, name=KEY_NAME)
        return issue_key(connection, name=KEY_NAME)


def _accepts(engine: Engine, worker_name: str) -> bool:
    return not missing_workers(engine, [worker_name])


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
