"""Whose request it is: the API key in `Authorization: Bearer`."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context
from api.problems import Kind, Problem
from flotilla.store import keys

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key such as `fl_4f1c…`.")


def caller_of(
    context: Context, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> keys.Caller:
    """The caller whose key it is. Raises a problem if there is no key, or none that is valid."""
    if credentials is None:
        raise _refused('send "Authorization: Bearer KEY"', challenge="Bearer")
    with context.engine.begin() as connection:
        caller = keys.find_caller(connection, credentials.credentials)
    if caller is None:
        raise _refused(
            "this key is not known, or was revoked; ask for another", challenge='Bearer error="invalid_token"'
        )
    return caller


def _refused(detail: str, *, challenge: str) -> Problem:
    return Problem(Kind.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


type Caller = Annotated[keys.Caller, Depends(caller_of)]
