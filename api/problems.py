"""Every error that the API answers with, as `application/problem+json` (RFC 9457); all codes are here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    slug: str
    title: str


class Kind(Enum):
    """What kind of error it is, for programs: its type is `/problems/` and the slug."""

    MALFORMED = _Kind(400, "malformed", "The request cannot be read")
    UNAUTHORIZED = _Kind(401, "unauthorized", "An API key is needed")
    NOT_FOUND = _Kind(404, "not-found", "There is nothing here")
    NO_RESULT = _Kind(404, "no-result", "The run has no result")
    METHOD = _Kind(405, "method-not-allowed", "This cannot be done here")
    OFFSET = _Kind(409, "upload-offset", "The upload does not stand there")
    TUS_VERSION = _Kind(412, "tus-version", "The upload protocol is another one")
    TOO_LARGE = _Kind(413, "too-large", "The request is too large")
    MEDIA_TYPE = _Kind(415, "unsupported-media-type", "The body is of a kind that is not taken here")
    INVALID = _Kind(422, "invalid", "The request is not valid")
    BUNDLE_REFUSED = _Kind(422, "bundle-refused", "The bundle cannot become a job")
    INTERNAL = _Kind(500, "internal", "The server failed")
    UNAVAILABLE = _Kind(503, "unavailable", "The database does not answer")
    QUEUE_UNAVAILABLE = _Kind(503, "queue-unavailable", "The queue does not answer")


class Flaw(BaseModel):
    """One thing wrong with what was sent."""

    pointer: str = Field(description="JSON pointer into the body or the bundle, or to a parameter by its name")
    detail: str = Field(description="What is wrong")
    mend: str = Field(description="What to do about it")


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 writes it."""

    type: str = Field(description="The kind of error, a URI reference")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked")
    errors: list[Flaw] = []


class Problem(HTTPException):
    """Ends a request with an error. `detail` names the fault and, if `errors` is empty, the mend."""

    def __init__(
        self, kind: Kind, detail: str, *, errors: Sequence[Flaw] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(kind.value.status, detail, headers)
        self.kind = kind
        self.errors = list(errors)


def invalid(pointer: str, detail: str, *, mend: str) -> Problem:
    """That one place of the body cannot be as it is."""
    return Problem(Kind.INVALID, f"{pointer}: {detail}", errors=[Flaw(pointer=pointer, detail=detail, mend=mend)])


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The response that tells of a problem."""
    kind = problem.kind.value
    document = ProblemDocument(
        type=f"/problems/{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        instance=quote(request.url.path),
        errors=problem.errors,
    )
    return JSONResponse(document.model_dump(), kind.status, problem.headers, MEDIA_TYPE)


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """These kinds of error as a route declares them."""
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.value.status, []).append(kind.value.title)
    return {status: {"model": ProblemDocument, "description": ", or: ".join(found)} for status, found in titles.items()}
