"""`/v1/jobs`: N runs of a task are asked for, looked at, and cancelled."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from api.authentication import Caller
from api.context import ApiContext, Context
from api.media_types import takes
from api.problems import Kind, Problem, documented, invalid
from api.schemas import Id, JobFilter, JobOrder, JobPage, RunFilter, RunPage
from flotilla.store.bundles import Bundle, get_bundle
from flotilla.store.jobs import NewJob, cancel_job
from flotilla.store.reading import get_job, list_jobs, list_runs
from flotilla.store.shown import Job
from flotilla.submission import submit

router = APIRouter(prefix="/jobs", tags=["jobs"])
_log = logging.getLogger(__name__)


@router.post(
    "",
    operation_id="create_job",
    status_code=201,
    dependencies=[Depends(takes("application/json"))],
    responses=documented(Kind.MALFORMED, Kind.TOO_LARGE, Kind.MEDIA_TYPE, Kind.INVALID),
)
def create_job(order: JobOrder, context: Context, caller: Caller) -> Job:
    """Makes a job with all its runs, which start as soon as there are workers."""
    with context.engine.begin() as connection:
        bundle = get_bundle(connection, bundle_id=order.bundle, tenant=caller.tenant)
    if bundle is None:
        raise invalid("/bundle", f"there is no bundle {order.bundle}", mend="Upload it with POST /v1/bundles.")
    if order.runs > context.run_limit:
        raise invalid("/runs", f"a job may have {context.run_limit:,} runs", mend="Ask for fewer, or make more jobs.")
    job_id = submit(context.engine, _new_job(order, bundle, tenant=caller.tenant), bundle=bundle, layout=context.layout)
    _kick(context)
    with context.engine.begin() as connection:
        return _job(connection, job_id, caller)


@router.get("", operation_id="list_jobs", responses=documented(Kind.INVALID))
def show_jobs(chosen: Annotated[JobFilter, Query()], context: Context, caller: Caller) -> JobPage:
    """Lists jobs, newest first."""
    with context.engine.begin() as connection:
        jobs = list_jobs(
            connection,
            tenant=caller.tenant,
            experiment=chosen.experiment,
            state=chosen.state,
            before=chosen.cursor,
            most=chosen.limit + 1,
        )
    items = jobs[: chosen.limit]
    return JobPage(items=items, next_cursor=items[-1].id if len(jobs) > len(items) else None)


@router.get("/{job_id}", operation_id="get_job", responses=documented(Kind.NOT_FOUND))
def show_job(job_id: Id, context: Context, caller: Caller) -> Job:
    """Shows a job with its counts."""
    with context.engine.begin() as connection:
        return _job(connection, job_id, caller)


@router.get("/{job_id}/runs", operation_id="list_runs", responses=documented(Kind.NOT_FOUND, Kind.INVALID))
def show_runs(job_id: Id, chosen: Annotated[RunFilter, Query()], context: Context, caller: Caller) -> RunPage:
    """Lists a job's runs by number."""
    with context.engine.begin() as connection:
        counts = _job(connection, job_id, caller).counts
        runs = list_runs(
            connection,
            job_id=job_id,
            tenant=caller.tenant,
            state=chosen.state,
            after=int(chosen.cursor or 0),
            most=chosen.limit + 1,
        )
    items = runs[: chosen.limit]
    more = len(runs) > len(items)
    return RunPage(items=items, next_cursor=str(items[-1].number) if more else None, counts=counts)


@router.post("/{job_id}/cancel", operation_id="cancel_job", responses=documented(Kind.NOT_FOUND))
def cancel(job_id: Id, context: Context, caller: Caller) -> Job:
    """Ends what waits and stops what runs. A job that has ended stays as it is."""
    with context.engine.begin() as connection:
        _job(connection, job_id, caller)
        cancel_job(connection, job_id=job_id)
        return _job(connection, job_id, caller)


def _job(connection: Connection, job_id: str, caller: Caller) -> Job:
    job = get_job(connection, job_id=job_id, tenant=caller.tenant)
    if job is None:
        raise Problem(Kind.NOT_FOUND, f"there is no job {job_id}")
    return job


def _new_job(order: JobOrder, bundle: Bundle, *, tenant: str) -> NewJob:
    return NewJob(
        tenant=tenant,
        bundle_id=bundle.id,
        runs=order.runs,
        agent_name=order.agent.name,
        agent_model=order.agent.model,
        agent_kwargs=order.agent.kwargs,
        priority=order.priority,
        experiment=order.experiment,
        max_trials=order.max_trials,
        secrets=order.secret_names(),
    )


def _kick(context: ApiContext) -> None:
    try:
        context.kick()
    except Exception:  # the job is made, and the pulse comes by itself
        _log.exception("the pulse was not told of the new job; its runs wait for the next tick")
