"""Threads for what blocks, apart by what they wait for: a slow mount must not hold up a renewal."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine

DATABASE_CONNECTIONS = 5  # a worker's share of the server's connections
RECEIVE_THREADS = 2  # one long poll a queue
QUEUE_THREADS = 4  # deletes, sends and visibility never wait behind a long poll
FILE_THREADS = 8
SECRET_THREADS = 4


class Threads:
    """One pool a kind of waiting. Statements of renewals have a thread of their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        # Renewals and sending take a connection each, which no other thread can then be waiting for.
        self._database = ThreadPoolExecutor(DATABASE_CONNECTIONS - 2, thread_name_prefix="database")
        self._sending = ThreadPoolExecutor(1, thread_name_prefix="sending")
        self._renewal = ThreadPoolExecutor(1, thread_name_prefix="renewal")
        self._receive = ThreadPoolExecutor(RECEIVE_THREADS, thread_name_prefix="receive")
        self._queue = ThreadPoolExecutor(QUEUE_THREADS, thread_name_prefix="queue")
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")
        self._secrets = ThreadPoolExecutor(SECRET_THREADS, thread_name_prefix="secrets")

        self._pools = (
            self._database,
            self._sending,
            self._renewal,
            self._receive,
            self._queue,
            self._files,
            self._secrets,
        )

    async def database[T](self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one transaction, committed when it returns."""
        return await _run(self._database, lambda: self._transact(work))

    async def reading[T](self, work: Callable[[Connection], T]) -> T:
        """Runs one statement that only reads, in no transaction: to begin and to end one are two more round trips."""
        return await _run(self._database, lambda: self._read(work))

    async def renewal[T](self, work: Callable[[Connection], T]) -> T:
        """The same, on the thread that only renewals use."""
        return await _run(self._renewal, lambda: self._transact(work))

    async def receive[T](self, work: Callable[[], T]) -> T:
        """Runs a long poll."""
        return await _run(self._receive, work)

    async def queue[T](self, work: Callable[[], T]) -> T:
        """Runs a short call to the queue."""
        return await _run(self._queue, work)

    async def send[T](self, work: Callable[[], T]) -> T:
        """Runs what asks the database which messages to send, and then sends them."""
        return await _run(self._sending, work)

    async def files[T](self, work: Callable[[], T]) -> T:
        """Runs work on files, of the local disk or of the shared file system."""
        return await _run(self._files, work)

    async def secrets[T](self, work: Callable[[], T]) -> T:
        """Looks values of secrets up."""
        return await _run(self._secrets, work)

    def close(self) -> None:
        """Lets go of every thread; a long poll under way ends by itself."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _transact[T](self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _read[T](self, work: Callable[[Connection], T]) -> T:
        with self._reading.connect() as connection:
            return work(connection)


async def _run[T](pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
