import errno
import os
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.receiving import arriving, receive_bundle
from flotilla.store.bundles import Bundle
from flotilla.store.jobs import NewJob
from flotilla.store.reading import get_job
from flotilla.submission import Link, submit
from tests.api.bundle import zipped


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def bundle(engine: Engine, layout: Layout) -> Bundle:
    with arriving(layout) as arrival:
        arrival.write(zipped())
        return receive_bundle(engine, arrival, tenant="default", layout=layout, limits=Limits())


def new_job(bundle: Bundle) -> NewJob:
    return NewJob(tenant="default", bundle_id=bundle.id, runs=2, agent_name="oracle")


def failing(code: int) -> Link:
    def link(_: Path, __: Path) -> None:
        raise OSError(code, os.strerror(code))

    return link


def test_a_job_has_the_archive_under_a_name_of_its_own(engine: Engine, layout: Layout, bundle: Bundle) -> None:
    job_id = submit(engine, new_job(bundle), bundle=bundle, layout=layout)
    assert layout.job_bundle(job_id, bundle.format).samefile(layout.bundle(bundle.sha256))
    with engine.begin() as connection:
        job = get_job(connection, job_id=job_id, tenant="default")
    assert job is not None
    assert job.counts.pending == 2


@pytest.mark.parametrize("code", [errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP])
def test_an_archive_that_can_have_no_more_names_is_copied(
    engine: Engine, layout: Layout, bundle: Bundle, code: int
) -> None:
    job_id = submit(engine, new_job(bundle), bundle=bundle, layout=layout, link=failing(code))
    copy = layout.job_bundle(job_id, bundle.format)
    assert copy.read_bytes() == layout.bundle(bundle.sha256).read_bytes()
    assert not copy.samefile(layout.bundle(bundle.sha256))
    assert list(layout.job(job_id).iterdir()) == [copy]


def test_a_job_whose_files_cannot_be_laid_out_is_not_made(engine: Engine, layout: Layout, bundle: Bundle) -> None:
    with pytest.raises(OSError, match="No space left"):
        submit(engine, new_job(bundle), bundle=bundle, layout=layout, link=failing(errno.ENOSPC))
    assert list(layout.job("x").parent.iterdir()) == []
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 0
