"""`/v1/uploads`: archives come up in parts, by tus 1.0, and go on after an interruption."""

import contextlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.authentication import Caller
from api.body_limit import LEANER
from api.context import ApiContext, Context
from api.media_types import media_type_of, takes
from api.problems import Kind, Problem, documented
from api.schemas import Id, UploadMade
from api.tus import EXTENSIONS, PART, VERSION, Bytes, Metadata, date, speaks_tus
from flotilla.receiving import arriving
from flotilla.store.uploads import MOST_PARTS, Upload, create_upload, get_upload
from flotilla.uploading import UPLOAD_SECONDS, PartRefused, append_part, end_upload

PATH = "/v1/uploads"

router = APIRouter(tags=["uploads"])
_tus = APIRouter(prefix="/uploads", dependencies=[Depends(speaks_tus)], responses=documented(Kind.TUS_VERSION))

_PART_BODY: dict[str, Any] = {
    "requestBody": {"content": {PART: {"schema": {"type": "string", "format": "binary"}}}},
}


@router.options("/uploads", operation_id="describe_uploads", status_code=204, response_class=Response)
def describe(context: Context) -> Response:
    """Tells what of tus is spoken here, and how large an archive may be."""
    most = str(context.limits.packed_bytes)
    return Response(
        status_code=204, headers={"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": most}
    )


@_tus.post(
    "",
    operation_id="create_upload",
    status_code=201,
    openapi_extra=_PART_BODY,
    responses=documented(Kind.TOO_LARGE, Kind.INVALID),
)
async def create(
    request: Request,
    response: Response,
    context: Context,
    caller: Caller,
    upload_length: Bytes,
    upload_metadata: Metadata = None,
) -> UploadMade:
    """Begins an upload; its first part may come at once. When it is whole, POST /v1/bundles makes a bundle of it."""
    most = context.limits.packed_bytes
    if upload_length > most:
        raise Problem(Kind.TOO_LARGE, f"an archive may have {most:,} bytes, and this one has more; {LEANER}")
    upload = await run_in_threadpool(_create, context, caller, length=upload_length, metadata=upload_metadata)
    received = await _receive(request, context, upload) if media_type_of(request) == PART else 0
    response.headers.update({"Location": f"{PATH}/{upload.id}", **_standing(upload, received)})
    return UploadMade(id=upload.id, length=upload.length, received=received, expires_at=upload.expires_at)


def _create(context: ApiContext, caller: Caller, *, length: int, metadata: str | None) -> Upload:
    with context.engine.begin() as connection:
        return create_upload(
            connection, tenant=caller.tenant, length=length, metadata=metadata or None, seconds=UPLOAD_SECONDS
        )


def _upload_of(upload_id: Id, context: Context, caller: Caller) -> Upload:
    """The caller's upload that the path names."""
    with context.engine.begin() as connection:
        upload = get_upload(connection, upload_id=upload_id, tenant=caller.tenant)
    if upload is None:
        raise Problem(Kind.NOT_FOUND, f"there is no upload {upload_id}, or its time is over; make one with POST {PATH}")
    return upload


type CallersUpload = Annotated[Upload, Depends(_upload_of)]


@_tus.head("/{upload_id}", operation_id="get_upload", response_class=Response, responses=documented(Kind.NOT_FOUND))
def show(upload: CallersUpload) -> Response:
    """Tells where an upload stands."""
    headers = {"Cache-Control": "no-store", "Upload-Length": str(upload.length), **_standing(upload, upload.received)}
    if upload.metadata is not None:
        headers["Upload-Metadata"] = upload.metadata
    return Response(headers=headers)


@_tus.patch(
    "/{upload_id}",
    operation_id="append_to_upload",
    status_code=204,
    response_class=Response,
    openapi_extra=_PART_BODY,
    dependencies=[Depends(takes(PART))],
    responses=documented(Kind.NOT_FOUND, Kind.OFFSET, Kind.TOO_LARGE, Kind.MEDIA_TYPE, Kind.INVALID),
)
async def append(request: Request, context: Context, upload: CallersUpload, upload_offset: Bytes) -> Response:
    """Takes the next part. Of one that breaks off, what came counts."""
    if upload_offset != upload.received:
        raise _elsewhere(upload, upload_offset)
    return Response(status_code=204, headers=_standing(upload, await _receive(request, context, upload)))


@_tus.delete(
    "/{upload_id}",
    operation_id="end_upload",
    status_code=204,
    response_class=Response,
    responses=documented(Kind.NOT_FOUND),
)
def end(context: Context, upload: CallersUpload) -> Response:
    """Forgets an upload and what came of it; a bundle that it became stays."""
    end_upload(context.engine, upload, layout=context.layout)
    return Response(status_code=204)


async def _receive(request: Request, context: ApiContext, upload: Upload) -> int:
    """Takes the body as the upload's next part; returns where the upload stands then."""
    if len(upload.parts) >= MOST_PARTS:
        raise Problem(Kind.TOO_LARGE, f"an upload may have {MOST_PARTS} parts; make a new one, of larger parts")
    room = upload.length - upload.received
    with arriving(context.layout) as arrival:
        with contextlib.suppress(ClientDisconnect):  # so that the client can go on behind what came
            async for data in request.stream():
                if arrival.size + len(data) > room:
                    raise Problem(Kind.TOO_LARGE, f"only {room:,} bytes are missing; send no more than these")
                await run_in_threadpool(arrival.write, data)
        try:
            return await run_in_threadpool(append_part, context.engine, arrival, upload=upload, offset=upload.received)
        except PartRefused as error:
            raise _elsewhere(upload, upload.received) from error


def _standing(upload: Upload, received: int) -> Mapping[str, str]:
    return {"Upload-Offset": str(received), "Upload-Expires": date(upload.expires_at)}


def _elsewhere(upload: Upload, offset: int) -> Problem:
    return Problem(
        Kind.OFFSET,
        f"upload {upload.id} does not stand at byte {offset}; ask with HEAD where it does, and go on from there",
    )


router.include_router(_tus)
