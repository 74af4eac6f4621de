"""`/v1/workers`: who works in this fleet."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Context
from api.problems import Kind, documented
from api.schemas import WorkerFilter, WorkerPage
from flotilla.store.workers import list_workers

router = APIRouter(prefix="/workers", tags=["workers"])


@router.get("", operation_id="list_workers", responses=documented(Kind.INVALID))
def show_workers(chosen: Annotated[WorkerFilter, Query()], context: Context) -> WorkerPage:
    """Lists the workers by name."""
    with context.engine.begin() as connection:
        return WorkerPage(items=list_workers(connection, gone=chosen.gone))
