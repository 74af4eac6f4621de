"""When what is done to which worker: a pure function of the drill's options, so that a drill can be repeated."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from flotilla.local.drill.options import SHIPPED_LEASE_SECONDS, Options

EARLIEST, LATEST = 0.1, 0.7  # of the drill's progress
ALL_RUN = 0.47  # progress at which nearly every run has begun and none has ended
NOTICE_SECONDS = (45.0, 120.0)  # AWS promises two minutes and has kept less
REPLACED_SECONDS = (5.0, 20.0)  # until the group has put a new machine in a lost one's place
DISK_SECONDS = 30.0
SLOW_SECONDS = 60.0


class Kind(StrEnum):
    """The ways to injure a stack at one moment; what the queue does to deliveries goes on all the time."""

    KILL = "kill"
    """A worker's process is killed, and started again under its name."""
    LOSE_MACHINE = "lose machine"
    """A worker is killed with all its trials, and a new one of another name takes its seat."""
    SPOT_NOTICE = "spot notice"
    """The metadata tells the worker its end; then its machine is lost."""
    FREEZE = "freeze"
    """A worker and its trials are stopped past the lease, and go on then."""
    FILL_DISK = "full disk"
    """The disk under a worker's scratch is full for a while."""
    SLOW_SHARED = "slow shared directory"
    """Every fsync of a worker takes long for a while."""
    RESTART_DATABASE = "restart database"
    DATABASE_OUTAGE = "database outage"
    RESTART_QUEUE = "restart queue"
    """All messages are lost with it."""
    KILL_SERVER = "kill server"
    """API and pulse are killed, and started again."""


ON_WORKERS = frozenset({Kind.KILL, Kind.LOSE_MACHINE, Kind.SPOT_NOTICE, Kind.FREEZE, Kind.FILL_DISK, Kind.SLOW_SHARED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Injury:
    """One thing done, once so much of the drill's `progress` is made: 0 nothing has begun, 1 every trial has ended.

    `seat` numbers the worker, from 1; after its loss its replacement has the seat. `seconds` is how long it lasts.
    """

    kind: Kind
    progress: float
    seat: int | None = None
    seconds: float = 0.0
    orderly: bool = True
    """Whether a database is stopped in order, or as by a crash."""


def schedule(options: Options) -> tuple[Injury, ...]:
    """All injuries in the order of their moments."""
    return tuple(sorted(_injuries(options), key=lambda injury: injury.progress))


def freeze_seconds(lease_seconds: float) -> float:
    """Long enough for another worker to have taken the runs and, most often, to have ended them."""
    return 1.5 * lease_seconds + 2


def _injuries(options: Options) -> Iterator[Injury]:
    chance = random.Random(options.seed)  # noqa: S311 - repeatable dice, no secret
    wanted = options.faults
    seats = _seats(options, chance)
    yield from _deaths(options, chance, seats)
    if wanted.zombie:
        yield _on(next(seats), Kind.FREEZE, chance, seconds=freeze_seconds(options.lease_seconds))
    if wanted.full_disk:
        yield _on(next(seats), Kind.FILL_DISK, chance, seconds=DISK_SECONDS)
    if wanted.slow_shared:
        yield _on(next(seats), Kind.SLOW_SHARED, chance, seconds=SLOW_SECONDS)
    if wanted.restart_database:
        yield Injury(kind=Kind.RESTART_DATABASE, progress=_moment(chance), orderly=chance.random() < 0.5)
    if wanted.database_outage:
        outage = wanted.database_outage
        yield Injury(kind=Kind.DATABASE_OUTAGE, progress=ALL_RUN, seconds=outage, orderly=chance.random() < 0.5)
    if wanted.restart_queue:
        yield Injury(kind=Kind.RESTART_QUEUE, progress=_moment(chance))
    if wanted.kill_server:
        yield Injury(kind=Kind.KILL_SERVER, progress=_moment(chance))


def _deaths(options: Options, chance: random.Random, seats: Iterator[int]) -> Iterator[Injury]:
    """Of the workers to be killed every second one is gone for good; the seed says which comes first."""
    ways = [Kind.KILL, Kind.LOSE_MACHINE]
    chance.shuffle(ways)
    for number in range(share_of(options.workers, options.faults.kill)):
        yield _on(next(seats), ways[number % 2], chance, seconds=chance.uniform(*REPLACED_SECONDS))
    scale = min(options.lease_seconds / SHIPPED_LEASE_SECONDS, 1.0)
    for _ in range(share_of(options.workers, options.faults.spot)):
        yield _on(next(seats), Kind.SPOT_NOTICE, chance, seconds=scale * chance.uniform(*NOTICE_SECONDS))


def share_of(workers: int, share: float) -> int:
    """So many of the workers, rounded up."""
    return math.ceil(round(workers * share, 6))


def _seats(options: Options, chance: random.Random) -> Iterator[int]:
    """Every seat once, and then again: as many workers as there are have one thing each to bear."""
    while True:
        yield from chance.sample(range(1, options.workers + 1), options.workers)


def _on(seat: int, kind: Kind, chance: random.Random, *, seconds: float) -> Injury:
    return Injury(kind=kind, progress=_moment(chance), seat=seat, seconds=round(seconds, 1))


def _moment(chance: random.Random) -> float:
    return round(chance.uniform(EARLIEST, LATEST), 3)
