"""`/v1/bundles`: tasks come up."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.authentication import Caller
from api.context import Context
from api.media_types import takes
from api.problems import Kind, Problem, documented
from api.schemas import Id
from flotilla.receiving import Arrival, arriving, receive_bundle
from flotilla.store.bundles import Bundle, get_bundle

ARCHIVES = ("application/zip", "application/gzip")
TOLERATED = ("application/x-zip-compressed", "application/x-gzip", "application/octet-stream")

router = APIRouter(prefix="/bundles", tags=["bundles"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The task's directory as .zip or .tar.gz: the task at the root, or in the only folder.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ARCHIVES},
    }
}


@router.post(
    "",
    operation_id="upload_bundle",
    status_code=201,
    openapi_extra=_BODY,
    dependencies=[Depends(takes(*ARCHIVES, tolerated=TOLERATED))],
    responses=documented(Kind.MALFORMED, Kind.TOO_LARGE, Kind.MEDIA_TYPE, Kind.BUNDLE_REFUSED),
)
async def upload_bundle(request: Request, context: Context, caller: Caller) -> Bundle:
    """Takes a task's archive, checks it and keeps it. The same archive again is the same bundle."""
    with arriving(context.layout) as arrival:
        await _stream(request, arrival)
        return await run_in_threadpool(
            receive_bundle,
            context.engine,
            arrival,
            tenant=caller.tenant,
            layout=context.layout,
            limits=context.limits,
        )


async def _stream(request: Request, arrival: Arrival) -> None:
    try:
        async for data in request.stream():
            await run_in_threadpool(arrival.write, data)
    except ClientDisconnect as error:
        raise Problem(Kind.MALFORMED, "the upload ended too early; nothing was kept, send it again") from error


@router.get("/{bundle_id}", operation_id="get_bundle", responses=documented(Kind.NOT_FOUND))
def show_bundle(bundle_id: Id, context: Context, caller: Caller) -> Bundle:
    """Shows a bundle."""
    with context.engine.begin() as connection:
        bundle = get_bundle(connection, bundle_id=bundle_id, tenant=caller.tenant)
    if bundle is None:
        raise Problem(Kind.NOT_FOUND, f"there is no bundle {bundle_id}")
    return bundle
