"""The FastAPI application, put together from its routers."""

from typing import Any

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from api import bundles, health, jobs, logs, queues, refusals, runs, uploads, workers
from api.authentication import caller_of
from api.body_limit import LEANER, BodyLimit, Bound
from api.context import MEBIBYTE, ApiContext, Streaming
from api.problems import MEDIA_TYPE, Kind, documented
from api.tus import VERSION, Tus
from flotilla import __version__

__all__ = ["ApiContext", "Streaming", "create_app"]

MOST_JSON = MEBIBYTE
FOLLOWING_THREADS = 8
"""Followers look at the database and the files in threads of their own: however many, they never hold up the rest."""


def create_app(context: ApiContext) -> FastAPI:
    """The application over `context`, which stays the caller's to close."""
    app = FastAPI(
        title="Flotilla",
        version=__version__,
        description="Runs Harbor trials on a fleet of workers.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    app.state.following_threads = CapacityLimiter(FOLLOWING_THREADS)
    app.add_middleware(BodyLimit, bound=Bound(most=MOST_JSON, mend="send less"), paths=_bounds(context))
    app.add_middleware(Tus, path=uploads.PATH)
    refusals.install(app)
    app.include_router(health.router)
    app.include_router(_version_1())
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]  # FastAPI's own way to change its document
    return app


def _bounds(context: ApiContext) -> dict[str, Bound]:
    """For archives: what one request takes of them, which may be less than they may have."""
    most, packed = context.max_bundle, context.limits.packed_bytes
    in_parts = f"an archive of up to {packed:,} bytes comes up in parts: POST {uploads.PATH} (tus {VERSION})"
    return {
        "/v1/bundles": Bound(most=most, mend=in_parts if most < packed else LEANER),
        uploads.PATH: Bound(most=most, mend="send it in more parts"),
    }


def _version_1() -> APIRouter:
    expected = documented(Kind.UNAUTHORIZED, Kind.UNAVAILABLE)
    router = APIRouter(prefix="/v1", dependencies=[Depends(caller_of)], responses=expected)
    for part in (bundles, uploads, jobs, runs, logs, workers, queues):
        router.include_router(part.router)
    return router


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, in which errors have the media type that they are sent with."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for operations in document["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if status >= "400":
                        response["content"] = {MEDIA_TYPE: next(iter(response["content"].values()))}
        app.openapi_schema = document
    return app.openapi_schema
