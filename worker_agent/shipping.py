"""Ships a trial's logs to the shared file system while they grow. What was shipped is the log.

Each source is read where it grows, redacted, and appended at the same relative path. Nothing on the local side is
trusted: a task can put a link where its log should be, so no link is followed and only plain files are read.
"""

import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from flotilla.store.logs import Stream
from worker_agent.plain_files import open_plain
from worker_agent.redaction import Redactor

READ_BYTES = 1 << 20
MOST_READS_A_ROUND = 8  # so that one trial that prints without end does not hold up the others
MOST_BYTES = 64 << 20  # of one log, where nothing else is said
CLOSE_SECONDS = 5.0  # for a shipment under way; a file system that hangs keeps its files
SETTLED_NANOSECONDS = 100_000_000  # a change sooner after another one might bear the same time

CUT = "[cut here by Flotilla: this log was longer than the {:,} bytes that are kept of one]\n"

_AGENT_ENDINGS = (".txt", ".log", ".pane", ".jsonl")


@dataclass(slots=True, kw_only=True)
class _Stream:
    """One log: the file that grows now, what of it waits for its secrets to be complete, and how much was shipped.

    One that is longer than `most_bytes` is cut there, and says so in its last line.
    The descriptor is kept: when Harbor moves a step's log away, its last lines are still read.
    """

    name: PurePosixPath
    local: Path
    target: Path
    redactor: Redactor
    most_bytes: int
    descriptor: int | None = None
    seen: set[int] = field(default_factory=set)
    read: int = 0
    shipped: int = 0
    unshipped: bytes = b""
    is_cut: bool = False

    @property
    def grown(self) -> tuple[int, int] | None:
        """The size of the file that grows now and when it last changed, in nanoseconds; None if it can be forgotten."""
        if self.descriptor is None or self.is_cut:
            return None
        state = os.fstat(self.descriptor)
        return state.st_size, state.st_ctime_ns

    def advance(self, *, moved: Sequence[Path], final: bool) -> None:
        """Ships what grew; `final` also ships what was held back."""
        self._drain(final=final)
        for path in (self.local / self.name, *moved):
            if not self.is_cut and self._turn_to(path):
                self._drain(final=final)
        if final:
            self._append(self.redactor.whole(self.unshipped))
            self.close()

    def _turn_to(self, path: Path) -> bool:
        """Goes on with the file of that name if it is another one than those seen; says whether it did."""
        descriptor = open_plain(path, within=self.local)
        if descriptor is None:
            return False
        inode = os.fstat(descriptor).st_ino
        if inode in self.seen:
            os.close(descriptor)
            return False
        self._forget_if_deleted()
        self.close()
        self.seen.add(inode)
        self.descriptor, self.read = descriptor, 0
        return True

    def _forget_if_deleted(self) -> None:
        """The number of a deleted file is given to a new one, which must not be taken for that one."""
        if self.descriptor is not None and (former := os.fstat(self.descriptor)).st_nlink == 0:
            self.seen.discard(former.st_ino)

    def close(self) -> None:
        """Lets go of the file."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None

    def _drain(self, *, final: bool) -> None:
        """Reads and ships to the end of the file, or as far as one round goes."""
        if self.descriptor is None or self.is_cut:
            return
        self._append(self.redactor.prefix(self.unshipped))  # what could not be written must not pile up in memory
        if os.fstat(self.descriptor).st_size < self.read:
            self.read = 0  # somebody emptied it: what comes now is new
        for _ in itertools.count() if final else range(MOST_READS_A_ROUND):
            data = os.pread(self.descriptor, READ_BYTES, self.read)
            self.read += len(data)
            self.unshipped += data
            self._append(self.redactor.prefix(self.unshipped))
            if self.shipped >= self.most_bytes:
                self._cut()
                return
            if len(data) < READ_BYTES:
                return

    def _cut(self) -> None:
        """The last line; what comes after it is not even read."""
        self.unshipped = b""
        self._append(b"\n" + CUT.format(self.shipped).encode())
        self.is_cut = True

    def _append(self, data: bytes) -> None:
        """Writes at the offset that was reached, so that a write that failed half-way is simply done again."""
        if not data:
            return
        self.target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.target, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], self.shipped + written)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.shipped += len(data)
        self.unshipped = self.unshipped[len(data) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """When the folders of the logs last changed, in nanoseconds, and of each stream what grows now.

    The times are those that no task can set.
    """

    folders: tuple[int | None, ...]
    files: Mapping[Stream, tuple[int, int] | None]

    def is_settled(self, now: int) -> bool:
        """Whether a change after this one would show."""
        times = [*self.folders, *(grown[1] for grown in self.files.values() if grown)]
        return all(time is None or time < now - SETTLED_NANOSECONDS for time in times)

    def is_within(self, read: Mapping[Stream, int]) -> bool:
        """Whether all that was there has been read since."""
        return all(grown is None or grown[0] <= read[stream] for stream, grown in self.files.items())


def _changed(folder: Path) -> int | None:
    try:
        return folder.lstat().st_ctime_ns
    except OSError:  # Harbor has not made it yet, or the task made it something else
        return None


@dataclass(slots=True, kw_only=True)
class TrialLogs:
    """The three streams of one trial, from its local directory to its directory on the shared file system.

    Any thread may call it; one ships at a time, and a round does not wait for its turn.
    """

    local: Path
    shared: Path
    agent: str
    redactor: Redactor
    most_bytes: int = MOST_BYTES
    _streams: dict[Stream, _Stream] = field(default_factory=dict)
    _told: dict[Stream, int] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _at_rest: _Sight | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether a round now would find what the last one left: it costs a few looks at the local disk, and no more.

        So it is while another thread ships them.
        """
        if not self._turn.acquire(blocking=False):
            return True
        try:
            return self._at_rest is not None and self._sight() == self._at_rest
        except OSError:  # the round will tell, for this trial alone
            return False
        finally:
            self._turn.release()

    def ship(self, *, final: bool = False) -> Mapping[Stream, tuple[str, int]]:
        """Ships what grew; returns the file and size in bytes of each stream that grew since it was last told.

        The `final` call tells them all: what was told before may not have reached the database. Raises OSError if the
        shared file system fails; nothing is lost then, the next call does it again.
        """
        if not self._turn.acquire(blocking=final):
            return {}
        try:
            return self._ship(final=final)
        finally:
            self._turn.release()

    def _ship(self, *, final: bool) -> Mapping[Stream, tuple[str, int]]:
        before, now = self._sight(), time.time_ns()
        for stream in Stream:
            log = self._streams.get(stream) or self._found(stream)
            if log is not None:
                log.advance(moved=self._moved(log.name), final=final)
        sizes = {stream: log.shipped for stream, log in self._streams.items() if log.shipped}
        told = {} if final else self._told
        grown = {stream: size for stream, size in sizes.items() if size != told.get(stream)}
        self._told = sizes
        read = {stream: log.read for stream, log in self._streams.items()}
        if before.is_settled(now) and before.is_within(read):
            self._at_rest = before
        return {stream: (str(self._streams[stream].name), size) for stream, size in grown.items()}

    def _sight(self) -> _Sight:
        """What would be otherwise if a log had grown, appeared, been replaced, emptied or moved away."""
        return _Sight(
            folders=tuple(_changed(self.local / name) for name in ("", "agent", "verifier", "steps")),
            files={stream: log.grown for stream, log in self._streams.items()},
        )

    def close(self) -> None:
        """Lets go of every file; what was not shipped is not shipped any more."""
        if self._turn.acquire(timeout=CLOSE_SECONDS):
            for log in self._streams.values():
                log.close()
            self._turn.release()

    @property
    def shipped(self) -> frozenset[str]:
        """The files that are complete once the last `ship` is done, relative to the trial's directory."""
        return frozenset(str(log.name) for log in self._streams.values() if log.shipped)

    def _found(self, stream: Stream) -> _Stream | None:
        name = {Stream.TRIAL: "trial.log", Stream.VERIFIER: "verifier/test-stdout.txt"}.get(stream) or self._agent_log()
        if name is None:
            return None
        self._streams[stream] = _Stream(
            name=PurePosixPath(name),
            local=self.local,
            target=self.shared / name,
            redactor=self.redactor,
            most_bytes=self.most_bytes,
        )
        return self._streams[stream]

    def _agent_log(self) -> str | None:
        """Most agents write `agent/{name}.txt`; for the others it is the first log that appears.

        A name that is no text is passed over: PostgreSQL could not keep it.
        """
        folders = [self.local / "agent", *self._moved(PurePosixPath("agent"))]
        names = sorted(path.name for folder in folders if folder.is_dir() for path in folder.iterdir())
        logs = [name for name in names if name.endswith(_AGENT_ENDINGS) and name.isprintable()]
        usual = f"{self.agent}.txt"
        return f"agent/{usual if usual in logs else logs[0]}" if logs else None

    def _moved(self, name: PurePosixPath) -> list[Path]:
        """Where Harbor puts a file of that name when a step is over, oldest step first."""
        steps = self.local / "steps"
        folders = sorted(steps.iterdir(), key=lambda step: step.stat().st_mtime) if steps.is_dir() else []
        return [step / name for step in folders]
