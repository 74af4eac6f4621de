"""All checks of a worker at the same time, each within its bound; one that fails hides no other."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import SQLAlchemyError

from flotilla.database_secret import SecretUnreadable
from worker_agent.docker.engine import DEFAULT_HOST
from worker_agent.environments import Chosen, EnvironmentUnavailable, choose, worker_labels
from worker_agent.health import clock, database, engine, harbor, memory, queues, room, shared_files
from worker_agent.health.blocking import in_thread
from worker_agent.health.finding import Finding, broken, healthy
from worker_agent.sandbox.availability import why_unavailable
from worker_agent.settings import Wanted, WorkerSettings

LOOK_SECONDS = 5.0  # for what the kernel answers at once
CALL_SECONDS = 10.0  # for a database or a queue: three attempts to connect fit
FILES_SECONDS = 10.0  # for five calls to a file system over a network
ENVIRONMENT_SECONDS = 45.0  # for a container or a sandbox on a host that starts many
IMPORT_SECONDS = 60.0  # for Harbor from a cold disk
LOOK_AGAIN = "look at what else this host or the other side is doing, then check again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: `find` has so many seconds; whatever it raises is a broken finding with this mend."""

    name: str
    seconds: float
    mend: str
    find: Callable[[], Awaitable[Finding]]


async def examine(checks: Sequence[Check]) -> list[Finding]:
    """The findings of all checks, in their order."""
    return list(await asyncio.gather(*(_found(check) for check in checks)))


def checks_of(settings: WorkerSettings, *, chosen: Chosen | None = None, thorough: bool = False) -> list[Check]:
    """The checks of one worker. Without `chosen` the environment is chosen in its check, as the worker would.

    A `thorough` checkup also imports Harbor, which a worker that starts is about to do anyway.
    """
    call, environment = CALL_SECONDS, chosen.name if chosen else settings.environment
    named = "sandbox" if environment is Wanted.SANDBOX else "docker"
    of_environment, of_files = partial(_of_environment, settings, chosen), partial(_of_files, settings.shared)
    of_disk, of_inodes = (partial(_of_rooms, settings, chosen, decide) for decide in (room.disk, room.inodes))
    return [
        Check(name="disk", seconds=LOOK_SECONDS, mend=room.MEND, find=of_disk),
        Check(name="inodes", seconds=LOOK_SECONDS, mend=room.MEND, find=of_inodes),
        Check(name="memory", seconds=LOOK_SECONDS, mend=memory.MEND, find=_of_memory),
        Check(name=named, seconds=ENVIRONMENT_SECONDS, mend=engine.MEND, find=of_environment),
        Check(name="database", seconds=call, mend=database.MEND, find=partial(_of_database, settings)),
        Check(name="queue", seconds=call, mend=queues.MEND, find=partial(_of_queues, settings)),
        Check(name="shared files", seconds=FILES_SECONDS, mend=shared_files.MEND, find=of_files),
        Check(name="clock", seconds=call * 2, mend=clock.MEND, find=partial(_of_clock, settings)),
        Check(name="harbor", seconds=IMPORT_SECONDS, mend=harbor.MEND, find=partial(_of_harbor, imported=thorough)),
    ]


async def places_of(settings: WorkerSettings, docker_host: str | None) -> list[Path]:
    """Where trials write on this host: the scratch, and what the engine keeps here."""
    root = await engine.root_of(docker_host) if docker_host else None
    return [settings.scratch, *([root] if root else [])]


async def _found(check: Check) -> Finding:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.find()
    except TimeoutError:
        return broken(check.name, f"it gave no answer within {check.seconds:.0f} s", mend=LOOK_AGAIN)
    except Exception as fault:  # whatever one check meets, the others have their say
        return broken(check.name, _told(fault), mend=check.mend)


def _told(fault: Exception) -> str:
    """The first line of what went wrong; a fault that speaks for itself is not introduced by its class."""
    cause = getattr(fault, "orig", None) or fault
    line = str(cause).strip().partition("\n")[0]
    return f"{type(cause).__name__}: {line}" if isinstance(fault, OSError | SQLAlchemyError | KeyError) else line


async def _of_rooms(
    settings: WorkerSettings, chosen: Chosen | None, decide: Callable[[Sequence[room.Room]], Finding]
) -> Finding:
    places = await places_of(settings, _engine_of(settings, chosen))
    return decide(await in_thread(lambda: room.measure_all(places)))


def _engine_of(settings: WorkerSettings, chosen: Chosen | None) -> str | None:
    if chosen is not None:
        return chosen.docker_host
    return None if settings.environment is Wanted.SANDBOX else os.environ.get("DOCKER_HOST") or DEFAULT_HOST


async def _of_memory() -> Finding:
    return memory.memory(memory.measure())


async def _of_environment(settings: WorkerSettings, chosen: Chosen | None) -> Finding:
    if chosen is None:
        try:
            chosen = await choose(settings.environment, scratch=settings.scratch, environ=os.environ)
        except EnvironmentUnavailable as unavailable:
            name = "sandbox" if settings.environment is Wanted.SANDBOX else "docker"
            seen, _, mend = str(unavailable).rpartition(": ")
            return broken(name, seen or str(unavailable), mend=mend)
        if chosen.name is Wanted.SANDBOX:  # it was tried to be chosen
            return healthy("sandbox", chosen.reason)
    if chosen.docker_host is not None:
        return engine.docker(await engine.measure(chosen.docker_host, labels=worker_labels(settings)))
    fault = await why_unavailable(settings.scratch)
    return broken("sandbox", fault, mend=LOOK_AGAIN) if fault else healthy("sandbox", "one was started and ended here")


async def _of_database(settings: WorkerSettings) -> Finding:
    return database.database(await in_thread(lambda: database.measure(settings)))


async def _of_queues(settings: WorkerSettings) -> Finding:
    return queues.queue(await in_thread(lambda: queues.measure(settings)))


async def _of_files(shared: Path) -> Finding:
    def find() -> Finding:
        if not shared.is_dir():
            return shared_files.missing(shared)
        return shared_files.shared_files(
            shared, shared_files.measure(shared, name=f"{os.uname().nodename}-{os.getpid()}")
        )

    return await in_thread(find)


async def _of_clock(settings: WorkerSettings) -> Finding:
    asked: Mapping[str, Callable[[], float]] = {
        "database": lambda: clock.of_database(settings),
        "queue": lambda: clock.of_queue(settings),
    }
    answers = await asyncio.gather(*(_offset(remote) for remote in asked.values()))
    return clock.clock({name: seconds for name, seconds in zip(asked, answers, strict=True) if seconds is not None})


async def _offset(remote: Callable[[], float]) -> float | None:
    """None where nobody answered: that has checks of its own."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await in_thread(remote)
    except (TimeoutError, SQLAlchemyError, BotoCoreError, ClientError, SecretUnreadable, KeyError):
        return None


async def _of_harbor(*, imported: bool) -> Finding:
    return harbor.harbor(await harbor.measure(imported=imported))
