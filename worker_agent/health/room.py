"""Room on the disks that trials write to: bytes and inodes, how much is too little, and when it is enough again."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker_agent.health.finding import Finding, Status, broken, degraded, healthy, worst

GIB = 1 << 30
MEND = "remove what is not needed there, give the file system more room, or let the worker be replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """So much must be free: an amount, or on a small file system a share of it."""

    amount: int
    share: float

    def of(self, total: int) -> float:
        return min(self.amount, self.share * total)


DISK_FLOOR = Bound(amount=1 * GIB, share=0.05)
"""Bytes. Below it, what runs will need all that is left: a trial's files and the layers of its image are near 1 GiB."""
DISK_LOW = Bound(amount=5 * GIB, share=0.10)
"""Bytes. A few images more, and the floor is reached."""
INODE_FLOOR = Bound(amount=10_000, share=0.02)
"""Files. One unpacked image has as many."""
INODE_LOW = Bound(amount=100_000, share=0.10)
"""Files. Ten images more, and the floor is reached."""
ENOUGH_AGAIN = 1.25
"""Times the floor: who was below it goes on only from here, so that one removed file does not make a worker waver."""
FULL_BYTES = Bound(amount=4 << 20, share=0.01)
"""Bytes. With less than this free, what could not be written could not be written because of it."""
FULL_INODES = 8
"""Files. A trial makes more at its very end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One file system (`device`) at one moment; `inodes` is 0 where they are not counted."""

    place: Path
    device: int
    free_bytes: int
    bytes: int
    free_inodes: int
    inodes: int


def measure_all(places: Iterable[Path]) -> list[Room]:
    """The room of each file system that the places are on, under the first of their names."""
    rooms: dict[int, Room] = {}
    for room in map(measure, places):
        rooms.setdefault(room.device, room)
    return list(rooms.values())


def measure(place: Path) -> Room:
    """The room at a path, or where it will be made."""
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    return Room(
        place=place,
        device=place.stat().st_dev,
        free_bytes=found.f_bavail * found.f_frsize,
        bytes=found.f_blocks * found.f_frsize,
        free_inodes=found.f_favail,
        inodes=found.f_files,
    )


def disk(rooms: Sequence[Room]) -> Finding:
    """The finding on bytes; of several places the worst ones speak."""
    return _worst_of([_disk(room) for room in rooms])


def inodes(rooms: Sequence[Room]) -> Finding:
    """The finding on inodes; of several places the worst ones speak."""
    return _worst_of([_inodes(room) for room in rooms])


def shortage(rooms: Iterable[Room], *, was_short: bool) -> str | None:
    """Why nothing more may be received, or None; what was short must have a quarter more than the floor."""
    factor = ENOUGH_AGAIN if was_short else 1.0
    for room in rooms:
        if room.free_bytes < factor * DISK_FLOOR.of(room.bytes):
            return f"disk: {_bytes_seen(room)}"
        if room.inodes and room.free_inodes < factor * INODE_FLOOR.of(room.inodes):
            return f"inodes: {_inodes_seen(room)}"
    return None


def is_full(room: Room) -> bool:
    """Whether nothing more can be written there."""
    without_inodes = bool(room.inodes) and room.free_inodes < FULL_INODES
    return without_inodes or room.free_bytes < FULL_BYTES.of(room.bytes)


def _disk(room: Room) -> Finding:
    seen = _bytes_seen(room)
    if room.free_bytes < DISK_FLOOR.of(room.bytes):
        return broken("disk", seen, mend=MEND)
    if room.free_bytes < DISK_LOW.of(room.bytes):
        return degraded("disk", seen, mend=MEND)
    return healthy("disk", seen)


def _inodes(room: Room) -> Finding:
    if not room.inodes:
        return healthy("inodes", f"{room.place} counts none")
    seen = _inodes_seen(room)
    if room.free_inodes < INODE_FLOOR.of(room.inodes):
        return broken("inodes", seen, mend=MEND)
    if room.free_inodes < INODE_LOW.of(room.inodes):
        return degraded("inodes", seen, mend=MEND)
    return healthy("inodes", seen)


def _worst_of(findings: Sequence[Finding]) -> Finding:
    status = worst(findings)
    speaking = [one for one in findings if one.status is status]
    seen = "; ".join(dict.fromkeys(one.seen for one in speaking))
    return Finding(name=speaking[0].name, status=status, seen=seen, mend=None if status is Status.HEALTHY else MEND)


def _bytes_seen(room: Room) -> str:
    free, floor = _spelled(room.free_bytes), _spelled(DISK_FLOOR.of(room.bytes))
    return f"{free} of {_spelled(room.bytes)} are free at {room.place}, the floor is {floor}"


def _inodes_seen(room: Room) -> str:
    floor = INODE_FLOOR.of(room.inodes)
    return f"{room.free_inodes:,} of {room.inodes:,} inodes are free at {room.place}, the floor is {floor:,.0f}"


def _spelled(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.1f} MiB"
