"""A log as it grows: server-sent events, one a line, that go on over trials and over reconnections."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi.sse import format_sse_event

from api.context import Streaming
from api.log_text import LONGEST_LINE, lines, read_shipped
from flotilla.store.reading_logs import RunLog, TrialLog

CHUNK = 4 * LONGEST_LINE
KEEP_ALIVE = format_sse_event(comment="keep-alive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a run's stream: so many bytes of a trial's log were sent."""

    trial: str
    offset: int

    def __str__(self) -> str:
        return f"{self.trial}:{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What one look brought: bytes for the client, whether to look again at once, whether this was all."""

    events: bytes = b""
    more: bool = False
    over: bool = False


class Tail:
    """One client's place in a run's stream; each `advance` looks once and returns what is new."""

    def __init__(
        self,
        look: Callable[[], RunLog],
        *,
        file_of: Callable[[RunLog, TrialLog], Path | None],
        position: Position | None,
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._file_of = file_of
        self._position = position
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._stuck_since: float | None = None

    def advance(self) -> Advance:
        """Looks at the database, then at the file as far as the database says that it goes."""
        run = self._look()
        if self._position is None:
            return self._begin(run, run.current)
        log = run.of(self._position.trial)
        if log is None:
            raise ValueError(f"no trial {self._position.trial} in this run")
        events, complete = self._read(run, log, self._position)
        if not complete:
            return Advance(events=events, more=bool(events) and self._position.offset < log.size)
        following = self._begin(run, run.after(log.trial))
        return Advance(events=events + following.events, more=following.more, over=following.over)

    def _begin(self, run: RunLog, log: TrialLog | None) -> Advance:
        """Goes on to a trial, or ends if there is none and none can come."""
        if log is None:
            return Advance(events=_end_event(run), over=True) if run.is_over else Advance()
        self._position = Position(trial=log.trial, offset=0)
        self._stuck_since = None
        announced = format_sse_event(event="trial", id=str(self._position), data_str=json.dumps({"trial": log.trial}))
        return Advance(events=announced, more=True)

    def _read(self, run: RunLog, log: TrialLog, position: Position) -> tuple[bytes, bool]:
        """The next lines, and whether they were the trial's last."""
        data = read_shipped(self._file_of(run, log), offset=position.offset, end=log.size, most=CHUNK)
        complete = log.ended and position.offset + len(data) >= log.size
        events = bytearray()
        used = 0
        for line, used in lines(data, at_end=complete):
            self._position = Position(trial=log.trial, offset=position.offset + used)
            events += format_sse_event(id=str(self._position), data_str=line.decode(errors="replace"))
        return bytes(events), complete or (log.ended and self._is_lost(progress=used > 0))

    def _is_lost(self, *, progress: bool) -> bool:
        """Whether the rest of an ended trial's log has stayed unreadable for too long."""
        if progress or self._stuck_since is None:
            self._stuck_since = self._clock()
        return self._clock() - self._stuck_since > self._patience_seconds


def _end_event(run: RunLog) -> bytes:
    verdict = {"state": run.state, "reward": run.reward, "cause": run.cause}
    return format_sse_event(event="end", data_str=json.dumps(verdict))


async def follow(
    tail: Tail, *, streaming: Streaming, threads: CapacityLimiter, gone: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """The stream of a tail, until its end, until the client is gone, or for as long as one answer may last.

    Looks in a thread, and holds none and no connection while it waits.
    """
    yield format_sse_event(retry=streaming.retry_milliseconds)
    sent = 0
    last_event = last_sign = time.monotonic()
    while not await gone():
        step = await to_thread.run_sync(tail.advance, limiter=threads)
        now = time.monotonic()
        if step.events:
            sent += len(step.events)
            last_event = last_sign = now
            yield step.events
        elif now - last_sign >= streaming.keep_alive_seconds:
            last_sign = now
            yield KEEP_ALIVE
        if step.over or _is_enough(streaming, sent=sent, more=step.more, silent_seconds=now - last_event):
            break
        if not step.more:
            await anyio.sleep(streaming.poll_seconds)


def _is_enough(streaming: Streaming, *, sent: int, more: bool, silent_seconds: float) -> bool:
    """Whether this answer ends here and the client's next request goes on."""
    if streaming.silence_seconds is not None and silent_seconds >= streaming.silence_seconds:
        return True
    return streaming.most_bytes is not None and sent > 0 and (not more or sent >= streaming.most_bytes)
