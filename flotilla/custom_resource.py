"""A custom resource of CloudFormation: the request that comes, and the answer that it waits for.

An answer is sent whatever happens: without one, a deployment hangs for an hour.
"""

import json
import logging
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ANSWER_SECONDS = 10.0
_MOST_REASON = 1_000  # characters; the whole answer may have 4 KiB
_log = logging.getLogger(__name__)


class RequestType(StrEnum):
    """What CloudFormation does with the resource."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class Explained(Exception):
    """A failure whose text is fit for people and holds no secret: CloudFormation shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What CloudFormation asks, and where the answer goes (`url`, which is a secret of its own)."""

    kind: RequestType
    url: str
    identity: Mapping[str, str]

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Request":
        """Reads a request; its identity is what the answer must repeat."""
        return cls(
            kind=RequestType(event["RequestType"]),
            url=event["ResponseURL"],
            identity={name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        )


def answer(event: Mapping[str, Any], *, name: str, work: Callable[[RequestType], str]) -> None:
    """Does the work for one request and tells CloudFormation how it went; `work` returns a sentence for the stack.

    The resource is called `name` for ever, so that an update never replaces it, which would delete the old one.
    """
    request = Request.of(event)
    try:
        status, reason = "SUCCESS", work(request.kind)
    except Explained as fault:
        status, reason = "FAILED", str(fault)
    except Exception as fault:  # whatever it is, CloudFormation must hear of it; its text may hold anything
        _log.exception("%s of %s failed", request.kind, name)
        status, reason = "FAILED", f"{type(fault).__name__}: the log of this resource's function says more"
    _log.info("%s of %s: %s, %s", request.kind, name, status, reason)
    _send(request, {"Status": status, "Reason": reason[:_MOST_REASON], "PhysicalResourceId": name, **request.identity})


def _send(request: Request, document: Mapping[str, str]) -> None:
    put = urllib.request.Request(  # noqa: S310 - the address is CloudFormation's
        request.url, data=json.dumps(document).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(put, timeout=ANSWER_SECONDS):  # noqa: S310 - the same
        return
