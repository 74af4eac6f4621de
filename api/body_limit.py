"""Refuses bodies that are too large, as soon as that can be known: by their stated length, else while they come."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Kind, Problem


@dataclass(slots=True)
class _Meter:
    """Receives a body for the application and counts it."""

    receive: Receive
    most: int
    stated: int
    seen: int = field(default=0, init=False)

    async def __call__(self) -> Message:
        if self.stated > self.most:
            raise self._too_large(self.stated)
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        if self.seen > self.most:
            raise self._too_large(self.seen)
        return message

    def _too_large(self, size: int) -> Problem:
        return Problem(
            Kind.TOO_LARGE,
            f"the body has {size:,} bytes or more, and {self.most:,} are taken here; send less: what a task fetches"
            " while its image is built need not be in its bundle",
        )


class BodyLimit:
    """A layer around the application; `paths` have limits of their own (bytes)."""

    def __init__(self, app: ASGIApp, *, most: int, paths: Mapping[str, int]) -> None:
        self._app = app
        self._most = most
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            most = self._paths.get(scope["path"], self._most)
            length = Headers(scope=scope).get("content-length", "")
            receive = _Meter(receive, most, int(length) if length.isdecimal() else 0)
        await self._app(scope, receive, send)
