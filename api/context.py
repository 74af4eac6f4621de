"""What the API is given: everything outside of it, in one value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.queue import RunQueue

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How logs are followed. Times in seconds, sizes in bytes; None is endless."""

    poll_seconds: float = 0.5
    keep_alive_seconds: float = 15.0
    retry_milliseconds: int = 1000
    most_bytes: int | None = None
    """If set, an answer ends with the first bytes it has for the client, at the latest when they are so many."""
    silence_seconds: float | None = None
    """How long an answer may stay without an event before it ends."""
    patience_seconds: float = 75.0
    """How long a file of an ended trial may stay unreadable: a network file system may not show it for a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """Where the truth, the files and the messages are, whom to tell of new work, and the bounds of one request."""

    engine: Engine
    layout: Layout
    queue: RunQueue
    kick: Callable[[], None]
    """Tells the pulse that there is work; called after the commit. A kick that fails costs only time."""
    limits: Limits = field(default_factory=Limits)
    allow_host_access: bool = False
    """Whether the Compose file of a bundle may ask for what is the host's; workers have the same setting."""
    streaming: Streaming = field(default_factory=Streaming)
    run_limit: int = 10_000
    """Runs that one job may have."""
    max_body: int | None = None
    """The most bytes that the server in front takes in one request, if it takes less than a bundle may have."""
    max_log_read: int = 4 * MEBIBYTE
    """The most bytes that one answer holds of a log."""

    @property
    def max_bundle(self) -> int:
        """The most bytes that an uploaded archive may have."""
        packed = self.limits.packed_bytes
        return packed if self.max_body is None else min(packed, self.max_body)


def context_of(request: Request) -> ApiContext:
    """The context of the application that this request came to."""
    context: ApiContext = request.app.state.context
    return context


type Context = Annotated[ApiContext, Depends(context_of)]
