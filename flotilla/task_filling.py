"""Fills `jobs/{id}/task/` with the task as uploaded, off the request that made the job."""

from sqlalchemy import Engine

from flotilla.archive import Limits, unpack
from flotilla.layout import Layout
from flotilla.store.jobs import mark_filled, unfilled_jobs

JOBS_A_TICK = 20


def fill_tasks(engine: Engine, layout: Layout, *, limits: Limits, most: int = JOBS_A_TICK) -> int:
    """Unpacks the bundles of jobs that have no `task/` yet; returns how many it filled.

    A directory that is already there is complete: it arrived by rename.
    """
    with engine.begin() as connection:
        jobs = unfilled_jobs(connection, most=most)
    for job in jobs:
        target = layout.job_task(job.job_id)
        if not target.exists():
            unpack(layout.job_bundle(job.job_id, job.bundle_format), target, limits=limits)
        with engine.begin() as connection:
            mark_filled(connection, job_id=job.job_id)
    return len(jobs)
