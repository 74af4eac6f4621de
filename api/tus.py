"""What tus 1.0 (the protocol of resumable uploads, tus.io) asks of every request and answer below one path."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated

from fastapi import Header, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Kind, Problem

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
PART = "application/offset+octet-stream"
"""The media type of a part."""

_PAIR = r"[!-+\--~]+(?: [A-Za-z0-9+/]*={0,2})?"

type Metadata = Annotated[str | None, Header(max_length=4096, pattern=f"^(?:{_PAIR}(?:, ?{_PAIR})*)?$")]
"""What the client tells of its file: words and base64, which nobody here reads."""
type Bytes = Annotated[int, Header(ge=0)]


def speaks_tus(request: Request) -> None:
    """A dependency that refuses requests of another version of the protocol, or of none."""
    spoken = request.headers.get("tus-resumable")
    if spoken != VERSION:
        said = f"Tus-Resumable is {spoken}" if spoken else "Tus-Resumable is missing"
        raise Problem(Kind.TUS_VERSION, f"{said}; send Tus-Resumable: {VERSION}", headers={"Tus-Version": VERSION})


def date(moment: datetime) -> str:
    """A moment as HTTP's headers write it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


class Tus:
    """A layer around the application: for paths below `path`, the method's override and the version on each answer."""

    def __init__(self, app: ASGIApp, *, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._path):
            await self._app(scope, receive, send)
            return

        async def send_with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        method = Headers(scope=scope).get("x-http-method-override", scope["method"]).upper()
        await self._app({**scope, "method": method}, receive, send_with_version)
