"""`/v1/bundles`: tasks come up."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from api.authentication import Caller
from api.context import ApiContext, Context
from api.media_types import media_type_of, takes
from api.problems import Kind, Problem, documented, invalid
from api.schemas import BundleOrder, Id
from flotilla.receiving import Arrival, arriving, receive_bundle
from flotilla.store.bundles import Bundle, get_bundle
from flotilla.store.uploads import get_upload
from flotilla.uploading import UploadLost, receive_upload

ARCHIVES = ("application/zip", "application/gzip")
JSON = "application/json"
TOLERATED = (JSON, "application/x-zip-compressed", "application/x-gzip", "application/octet-stream")

router = APIRouter(prefix="/bundles", tags=["bundles"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The task's directory as .zip or .tar.gz: the task at the root, or in the only folder;"
        " or the upload in which it came up.",
        "content": {
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in ARCHIVES},
            JSON: {"schema": BundleOrder.model_json_schema()},
        },
    }
}


@router.post(
    "",
    operation_id="upload_bundle",
    status_code=201,
    openapi_extra=_BODY,
    dependencies=[Depends(takes(*ARCHIVES, tolerated=TOLERATED))],
    responses=documented(Kind.MALFORMED, Kind.TOO_LARGE, Kind.MEDIA_TYPE, Kind.INVALID, Kind.BUNDLE_REFUSED),
)
async def upload_bundle(request: Request, context: Context, caller: Caller) -> Bundle:
    """Takes a task's archive, checks it and keeps it. The same archive again is the same bundle."""
    if media_type_of(request) == JSON:
        order = _order(await request.body())
        return await run_in_threadpool(_receive_upload, order.upload, context, caller)
    with arriving(context.layout) as arrival:
        await _stream(request, arrival)
        return await run_in_threadpool(
            receive_bundle,
            context.engine,
            arrival,
            tenant=caller.tenant,
            layout=context.layout,
            limits=context.limits,
            allow_host_access=context.allow_host_access,
        )


async def _stream(request: Request, arrival: Arrival) -> None:
    try:
        async for data in request.stream():
            await run_in_threadpool(arrival.write, data)
    except ClientDisconnect as error:
        raise Problem(Kind.MALFORMED, "the upload ended too early; nothing was kept, send it again") from error


def _order(body: bytes) -> BundleOrder:
    try:
        return BundleOrder.model_validate_json(body)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        if faults[0]["type"] == "json_invalid":
            raise Problem(Kind.MALFORMED, "the body is not JSON; send one JSON document") from error
        raise RequestValidationError(faults) from error


def _receive_upload(upload_id: str, context: ApiContext, caller: Caller) -> Bundle:
    with context.engine.begin() as connection:
        upload = get_upload(connection, upload_id=upload_id, tenant=caller.tenant)
    if upload is None:
        raise invalid("/upload", f"there is no upload {upload_id}", mend="Make one with POST /v1/uploads.")
    if upload.received < upload.length:
        fault = f"upload {upload_id} has {upload.received:,} of its {upload.length:,} bytes"
        raise invalid("/upload", fault, mend=f"Send the rest with PATCH /v1/uploads/{upload_id}.")
    try:
        return receive_upload(
            context.engine,
            upload,
            layout=context.layout,
            limits=context.limits,
            allow_host_access=context.allow_host_access,
        )
    except UploadLost as error:
        raise invalid("/upload", str(error), mend="Make a new one with POST /v1/uploads.") from error


@router.get("/{bundle_id}", operation_id="get_bundle", responses=documented(Kind.NOT_FOUND))
def show_bundle(bundle_id: Id, context: Context, caller: Caller) -> Bundle:
    """Shows a bundle."""
    with context.engine.begin() as connection:
        bundle = get_bundle(connection, bundle_id=bundle_id, tenant=caller.tenant)
    if bundle is None:
        raise Problem(Kind.NOT_FOUND, f"there is no bundle {bundle_id}")
    return bundle
