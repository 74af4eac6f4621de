"""Uploads in parts, by several processes at once as by several Lambda functions."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.receiving import arriving
from flotilla.store.bundles import Bundle
from flotilla.store.uploads import Upload, create_upload, get_upload, sweep_uploads
from flotilla.task import BundleRefused
from flotilla.uploading import UPLOAD_SECONDS, PartRefused, UploadLost, append_part, end_upload, receive_upload
from tests.api.bundle import zipped

SECONDS = 60
RIVALS = 4
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

RIVAL = """
import random, sys
from pathlib import Path
from flotilla import database
from flotilla.layout import Layout
from flotilla.receiving import arriving
from flotilla.store.uploads import get_upload
from flotilla.uploading import PartRefused, append_part

url, root, upload_id, letter = sys.argv[1:]
engine, layout, chance = database.connect(url, pool_size=1), Layout(Path(root)), random.Random(letter)
engine.connect().close()
print("ready", flush=True)
sys.stdin.readline()
while True:
    with engine.begin() as connection:
        upload = get_upload(connection, upload_id=upload_id, tenant="default")
    size = min(chance.randint(1, 9000), upload.length - upload.received)
    if not size:
        break
    with arriving(layout) as arrival:
        arrival.write(letter.encode() * size)
        try:
            append_part(engine, arrival, upload=upload, offset=upload.received)
            print(upload.received, size)
        except PartRefused:
            print("refused", file=sys.stderr)
engine.dispose()
"""
"""A process that, once told, appends as fast as it can; it prints which of its parts were taken: place and size."""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def begin(engine: Engine, length: int) -> Upload:
    with engine.begin() as connection:
        return create_upload(connection, tenant="default", length=length, metadata=None, seconds=UPLOAD_SECONDS)


def append(engine: Engine, layout: Layout, upload: Upload, data: bytes, *, offset: int) -> int:
    with arriving(layout) as arrival:
        arrival.write(data)
        return append_part(engine, arrival, upload=upload, offset=offset)


def now(engine: Engine, upload: Upload) -> Upload:
    with engine.begin() as connection:
        found = get_upload(connection, upload_id=upload.id, tenant="default")
    assert found is not None
    return found


def whole(engine: Engine, layout: Layout, archive: bytes) -> Upload:
    upload = begin(engine, len(archive))
    append(engine, layout, upload, archive[:100], offset=0)
    append(engine, layout, upload, archive[100:], offset=100)
    return now(engine, upload)


def receive(engine: Engine, layout: Layout, upload: Upload) -> Bundle:
    return receive_upload(engine, upload, layout=layout, limits=Limits())


def test_whoever_wins_a_place_has_it_alone_however_many_processes_append_at_once(
    engine: Engine, database_url: str, layout: Layout
) -> None:
    upload = begin(engine, 1_000_000)
    words = [sys.executable, "-c", RIVAL, database_url, str(layout.root), upload.id]
    rivals = {letter: subprocess.Popen([*words, letter], text=True, **PIPES) for letter in "abcdefgh"[:RIVALS]}
    for rival in rivals.values():
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(RIVALS) as threads:
        told = threads.map(lambda rival: rival.communicate("go\n", SECONDS), rivals.values())
    said = dict(zip(rivals, told, strict=True))
    assert [rival.returncode for rival in rivals.values()] == [0] * RIVALS, said
    places = sorted(
        (int(place), int(size), letter)
        for letter, (won, _) in said.items()
        for place, size in (line.split() for line in won.splitlines())
    )
    expected = b"".join(letter.encode() * size for _, size, letter in places)
    assert len({letter for _, _, letter in places}) > 1, "the processes did not meet"
    assert any("refused" in lost for _, lost in said.values()), "the processes did not meet"
    assert len(expected) == upload.length
    parts = [layout.uploads / part for part in now(engine, upload).parts]
    assert b"".join(part.read_bytes() for part in parts) == expected
    assert sorted(layout.uploads.iterdir()) == sorted(parts)


def test_a_part_that_is_refused_leaves_no_file_and_one_that_counts_stays(engine: Engine, layout: Layout) -> None:
    upload = begin(engine, 10)
    assert append(engine, layout, upload, b"01234", offset=0) == 5
    for data, offset in ((b"x", 0), (b"x", 6), (b"567890", 5)):
        with pytest.raises(PartRefused, match="ask where it stands"):
            append(engine, layout, upload, data, offset=offset)
    assert append(engine, layout, upload, b"", offset=5) == 5
    assert [path.read_bytes() for path in layout.uploads.iterdir()] == [b"01234"]


def test_a_part_whose_row_cannot_be_written_keeps_its_file_since_the_answer_alone_may_be_lost(
    engine: Engine, layout: Layout
) -> None:
    upload = begin(engine, 10)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE uploads ADD CONSTRAINT none CHECK (received = 0)"))
    with pytest.raises(Exception, match="none"):
        append(engine, layout, upload, b"01234", offset=0)
    assert len(list(layout.uploads.iterdir())) == 1


def test_a_whole_upload_is_one_bundle_however_often_and_at_once_it_is_asked_for(engine: Engine, layout: Layout) -> None:
    archive = zipped()
    upload = whole(engine, layout, archive)
    with ThreadPoolExecutor(RIVALS) as threads:
        bundles = set(threads.map(lambda _: receive(engine, layout, upload), range(RIVALS)))
    (bundle,) = {*bundles, receive(engine, layout, now(engine, upload))}
    assert bundle.sha256 == hashlib.sha256(archive).hexdigest()
    assert layout.bundle(bundle.sha256).read_bytes() == archive
    assert list(layout.uploads.iterdir()) == []


def test_an_upload_that_becomes_no_bundle_leaves_neither_row_nor_files(engine: Engine, layout: Layout) -> None:
    upload = whole(engine, layout, zipped({"task.toml": ""}))
    with pytest.raises(BundleRefused):
        receive(engine, layout, upload)
    with engine.begin() as connection:
        assert get_upload(connection, upload_id=upload.id, tenant="default") is None
    assert list(layout.uploads.iterdir()) == []


def test_an_upload_whose_bytes_are_gone_has_to_be_made_anew(engine: Engine, layout: Layout) -> None:
    upload = whole(engine, layout, zipped())
    first, second = (layout.uploads / part for part in upload.parts)
    second.write_bytes(b"")
    with pytest.raises(UploadLost, match="has 100 of its"):
        receive(engine, layout, upload)
    first.unlink()
    with pytest.raises(UploadLost, match="make a new"):
        receive(engine, layout, upload)
    end_upload(engine, upload, layout=layout)
    with pytest.raises(UploadLost):
        receive(engine, layout, upload)
    assert not layout.bundles.exists()


def test_an_upload_that_is_ended_takes_no_part_that_was_under_way(engine: Engine, layout: Layout) -> None:
    upload = begin(engine, 10)
    append(engine, layout, upload, b"01234", offset=0)
    with arriving(layout) as arrival:
        arrival.write(b"56789")
        end_upload(engine, upload, layout=layout)
        with pytest.raises(PartRefused):
            append_part(engine, arrival, upload=upload, offset=5)
    assert list(layout.uploads.iterdir()) == []


def test_the_sweep_forgets_uploads_of_long_ago_and_no_others(engine: Engine, layout: Layout) -> None:
    old, became, young = begin(engine, 10), whole(engine, layout, zipped()), begin(engine, 10)
    receive(engine, layout, became)
    with engine.begin() as connection:
        age = text("UPDATE uploads SET created_at = now() - make_interval(secs => 90000) WHERE id <> :young")
        connection.execute(age, {"young": young.id})
        assert set(sweep_uploads(connection, older_than_seconds=UPLOAD_SECONDS)) == {old.id, became.id}
        assert sweep_uploads(connection, older_than_seconds=UPLOAD_SECONDS) == []
    assert now(engine, young).id == young.id
