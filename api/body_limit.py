"""Refuses bodies that are too large, as soon as that can be known: by their stated length, else while they come."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Kind, Problem

LEANER = "leave out of it what a task fetches while its image is built"
"""What to do about an archive that is too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The most bytes that a body may have, and what to do about a larger one."""

    most: int
    mend: str


@dataclass(slots=True)
class _Meter:
    """Receives a body for the application and counts it."""

    receive: Receive
    bound: Bound
    stated: int
    seen: int = field(default=0, init=False)

    async def __call__(self) -> Message:
        if self.stated > self.bound.most:
            raise self._too_large(self.stated)
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        if self.seen > self.bound.most:
            raise self._too_large(self.seen)
        return message

    def _too_large(self, size: int) -> Problem:
        return Problem(
            Kind.TOO_LARGE,
            f"the body has {size:,} bytes or more, and {self.bound.most:,} are taken here; {self.bound.mend}",
        )


class BodyLimit:
    """A layer around the application; below one of these `paths`, a body that is no JSON has a bound of its own."""

    def __init__(self, app: ASGIApp, *, bound: Bound, paths: Mapping[str, Bound]) -> None:
        self._app = app
        self._bound = bound
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            length = headers.get("content-length", "")
            is_json = headers.get("content-type", "").lower().startswith("application/json")
            bound = self._bound if is_json else self._bound_of(scope["path"])
            receive = _Meter(receive, bound, int(length) if length.isdecimal() else 0)
        await self._app(scope, receive, send)

    def _bound_of(self, path: str) -> Bound:
        return next((bound for above, bound in self._paths.items() if path.startswith(above)), self._bound)
