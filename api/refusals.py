"""Turns whatever goes wrong in a request into a problem, without telling of the server's inside."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.problems import Flaw, Kind, Problem, answer
from flotilla.queue import QueueUnavailable
from flotilla.task.fault import BundleRefused, pointer_to

_MENDS = {
    "extra_forbidden": "Leave it out, or look for its right name in /openapi.json.",
    "missing": "Give it.",
    "json_invalid": "Send one JSON document.",
}
_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
_ANY_MEND = "Give a value as /openapi.json describes it."


def _of_http(request: Request, error: HTTPException) -> Problem:
    if isinstance(error, Problem):
        return error
    if error.status_code == 404:
        return Problem(Kind.NOT_FOUND, f"{request.url.path} is no path of this API; /openapi.json lists them")
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        detail = f"{request.method} is not for {request.url.path}, but {allowed} is"
        return Problem(Kind.METHOD, detail, headers={"Allow": allowed})
    return Problem(Kind.MALFORMED, f"{error.detail}; send one JSON document")


def _methods_of(request: Request) -> list[str]:
    """The methods that this path takes."""
    routes = request.app.routes
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


def _of_validation(_: Request, error: RequestValidationError) -> Problem:
    faults = error.errors()
    if all(fault["loc"][0] == "path" for fault in faults):
        return Problem(Kind.NOT_FOUND, "nothing can have an id of this form; take ids as the API gave them")
    if faults[0]["type"] == "json_invalid":
        place = faults[0]["loc"][1]
        return Problem(Kind.MALFORMED, f"the body is not JSON from character {place} on; send one JSON document")
    flaws = [_flaw(fault) for fault in faults]
    return Problem(Kind.INVALID, "; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in flaws), errors=flaws)


def _flaw(fault: dict[str, Any]) -> Flaw:
    where, *steps = fault["loc"]
    mend = fault.get("ctx", {}).get("mend") or _MENDS.get(fault["type"], _ANY_MEND)
    message = "this is not known here" if fault["type"] == "extra_forbidden" else fault["msg"]
    kind = "" if where == "body" else f"{where} parameter: "
    return Flaw(pointer=pointer_to(*steps), detail=f"{kind}{message}", mend=mend)


def _of_bundle(_: Request, error: BundleRefused) -> Problem:
    flaws = [Flaw(pointer=fault.pointer, detail=fault.message, mend=fault.mend) for fault in error.faults]
    return Problem(Kind.BUNDLE_REFUSED, str(error), errors=flaws)


def _of_database(_: Request, __: Exception) -> Problem:
    return Problem(
        Kind.UNAVAILABLE, "the database cannot be reached; nothing was done, ask again", headers={"Retry-After": "5"}
    )


def _of_queue(_: Request, __: Exception) -> Problem:
    detail = "the queue cannot be reached; what was done until then stays done, ask again"
    return Problem(Kind.QUEUE_UNAVAILABLE, detail, headers={"Retry-After": "5"})


def _of_anything(_: Request, __: Exception) -> Problem:
    return Problem(Kind.INTERNAL, "this is our fault, not yours; the server's log says more")


def install(app: FastAPI) -> None:
    """Makes the application answer every error with a problem."""
    sources: dict[type[Exception], Callable[[Request, Any], Problem]] = {
        HTTPException: _of_http,
        RequestValidationError: _of_validation,
        BundleRefused: _of_bundle,
        OperationalError: _of_database,
        InterfaceError: _of_database,
        PoolTimeout: _of_database,
        QueueUnavailable: _of_queue,
        Exception: _of_anything,
    }
    for error, problem_of in sources.items():
        app.add_exception_handler(error, _handler(problem_of))


def _handler(problem_of: Callable[[Request, Any], Problem]) -> Callable[[Request, Exception], JSONResponse]:
    return lambda request, error: answer(request, problem_of(request, error))
