"""How a job is made: its bundle is laid out on the shared file system, then job and runs are written at once."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from flotilla.layout import Layout
from flotilla.store.bundles import Bundle
from flotilla.store.jobs import NewJob, create_job, new_job_id

type Link = Callable[[Path, Path], None]

_NO_MORE_LINKS = frozenset({errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})
"""EFS gives a file at most 177 names; some file systems give it only one."""


def submit(engine: Engine, job: NewJob, *, bundle: Bundle, layout: Layout, link: Link = os.link) -> str:
    """Makes the job of a stored bundle with all its runs; returns its id.

    If anything fails before the commit, the job's files are removed. If the commit itself fails they stay, since it
    may have been done: files that no row speaks of do not count.
    """
    job_id = new_job_id()
    with engine.begin() as connection, _removed_on_failure(layout.job(job_id)):
        _lay_out(layout.bundle(bundle.sha256), layout.job_bundle(job_id, bundle.format), link=link)
        create_job(connection, job, job_id=job_id)
    return job_id


@contextmanager
def _removed_on_failure(directory: Path) -> Iterator[None]:
    try:
        directory.mkdir(parents=True)
        yield
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)  # the failure itself is what the caller must hear of
        raise


def _lay_out(source: Path, target: Path, *, link: Link) -> None:
    """Gives the archive another name; copies it where it can have no more."""
    try:
        link(source, target)
    except OSError as error:
        if error.errno not in _NO_MORE_LINKS:
            raise
        draft = target.with_name(f".{target.name}")
        with source.open("rb") as archive, draft.open("xb") as copy:
            shutil.copyfileobj(archive, copy)
            copy.flush()
            os.fsync(copy.fileno())
        draft.rename(target)
