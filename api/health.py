"""`GET /healthz`: whether the API can answer, for whoever asks."""

from fastapi import APIRouter
from sqlalchemy import text

from api.context import Context
from api.problems import Kind, documented
from api.schemas import Health
from flotilla import __version__

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="get_health", responses=documented(Kind.UNAVAILABLE))
def get_health(context: Context) -> Health:
    """Tells that the API and its database answer."""
    with context.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ok", version=__version__, database="ok")
