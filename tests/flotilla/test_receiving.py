from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.receiving import arriving, receive_bundle
from flotilla.store.bundles import Bundle
from flotilla.task import BundleRefused
from tests.api.bundle import tarred, zipped


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def receive(engine: Engine, layout: Layout, archive: bytes) -> Bundle:
    with arriving(layout) as arrival:
        for start in range(0, len(archive), 100):
            arrival.write(archive[start : start + 100])
        return receive_bundle(engine, arrival, tenant="default", layout=layout, limits=Limits())


def test_what_arrived_lies_under_its_digest_and_nowhere_else(engine: Engine, layout: Layout) -> None:
    archive = tarred(folder="sum/")
    bundle = receive(engine, layout, archive)
    assert layout.bundle(bundle.sha256).read_bytes() == archive
    assert list(layout.uploads.iterdir()) == []
    assert layout.bundle(bundle.sha256).stat().st_nlink == 1


def test_a_bundle_that_is_there_already_stays_the_file_it_was(engine: Engine, layout: Layout) -> None:
    first = receive(engine, layout, zipped())
    inode = layout.bundle(first.sha256).stat().st_ino
    assert receive(engine, layout, zipped()) == first
    assert layout.bundle(first.sha256).stat().st_ino == inode


def test_a_refused_bundle_leaves_neither_file_nor_row(engine: Engine, layout: Layout) -> None:
    with pytest.raises(BundleRefused):
        receive(engine, layout, b"no archive")
    assert list(layout.uploads.iterdir()) == []
    assert not layout.bundles.exists()


def test_an_upload_that_fails_on_its_way_leaves_nothing(layout: Layout) -> None:
    with pytest.raises(ConnectionError), arriving(layout) as arrival:
        arrival.write(b"PK")
        raise ConnectionError("the client is gone")
    assert list(layout.uploads.iterdir()) == []


def test_a_row_that_cannot_be_written_keeps_no_file(engine: Engine, layout: Layout) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE bundles ADD CONSTRAINT none CHECK (files < 0)"))
    with pytest.raises(Exception, match="none"):
        receive(engine, layout, zipped())
    assert not layout.bundles.exists()
