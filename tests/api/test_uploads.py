import hashlib
import http.client
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, text

from api.context import ApiContext
from flotilla.archive import Limits
from flotilla.layout import Layout
from tests.api.bundle import zipped
from tests.api.large import large_archive, noise
from tests.api.narrows import narrows
from tests.api.parts import PART, TUS, begin, finish, send, standing
from tests.api.serving import client, serving
from tests.api.waiting import until

MEGABYTE = 1_000_000
JSON = {"Content-Type": "application/json"}

TUS_CLIENT = """
import sys
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
url, key, path, storage = sys.argv[1:]
TusClient(f"{url}/v1/uploads", headers={"Authorization": f"Bearer {key}"}).uploader(
    path, chunk_size=4 * 1024 * 1024, store_url=True, url_storage=FileStorage(storage)
).upload()
"""
"""Another's client, which notes the upload's address in a file, in a process of its own."""


def files_below(layout: Layout) -> list[Path]:
    return [path for path in layout.root.rglob("*") if path.is_file()]


def uploads_in(engine: Engine, what: str = "count(*)") -> Any:
    with engine.begin() as connection:
        return connection.execute(text(f"SELECT {what} FROM uploads")).scalar()


def change(engine: Engine, what: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE uploads SET {what}"))


def test_an_archive_in_parts_becomes_the_bundle_that_it_would_be_in_one(
    api: httpx.Client, engine: Engine, layout: Layout
) -> None:
    archive = large_archive(500_000)
    upload = begin(api, len(archive))
    offset = 0
    for size in (1, 200_000, 7, len(archive)):
        answer = send(api, upload, archive[offset : offset + size], offset=offset)
        assert answer.status_code == 204
        offset = min(offset + size, len(archive))
        assert answer.headers["Upload-Offset"] == str(offset)
        assert standing(api, upload) == offset
    made = finish(api, upload)
    assert made.status_code == 201
    bundle = made.json()
    assert bundle["sha256"] == hashlib.sha256(archive).hexdigest()
    assert layout.bundle(bundle["sha256"]).read_bytes() == archive
    assert files_below(layout) == [layout.bundle(bundle["sha256"])]
    assert finish(api, upload).json() == bundle
    assert api.post("/v1/bundles", content=archive, headers={"Content-Type": "application/zip"}).json() == bundle


def test_the_first_part_may_come_with_the_creation(api: httpx.Client) -> None:
    archive = zipped()
    answer = api.post("/v1/uploads", headers={**PART, "Upload-Length": str(len(archive))}, content=archive[:100])
    assert answer.status_code == 201
    assert answer.headers["Upload-Offset"] == "100"
    assert answer.json()["received"] == 100
    upload = answer.headers["Location"]
    assert send(api, upload, archive[100:], offset=100).status_code == 204
    assert finish(api, upload).json()["sha256"] == hashlib.sha256(archive).hexdigest()


def test_a_part_that_begins_elsewhere_is_refused_and_changes_nothing(api: httpx.Client, layout: Layout) -> None:
    upload = begin(api, 10)
    assert send(api, upload, b"01234", offset=0).status_code == 204
    for offset in (0, 4, 6, 10, 10**30):
        answer = send(api, upload, b"x", offset=offset)
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/upload-offset"
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert standing(api, upload) == 5
    assert [path.read_bytes() for path in files_below(layout)] == [b"01234"]


def test_of_four_parts_for_one_place_at_once_one_counts_and_it_alone(url: str, key: str, layout: Layout) -> None:
    size = 300_000
    with client(url, key=key) as api, ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            upload = begin(api, size)
            parts = [bytes([letter]) * size for letter in b"abcd"]
            answers = list(threads.map(lambda data, to=upload: send(api, to, data, offset=0), parts))
            assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
            (winner,) = (data for data, answer in zip(parts, answers, strict=True) if answer.is_success)
            assert [path.read_bytes() for path in files_below(layout)] == [winner]
            assert api.delete(upload, headers=TUS).status_code == 204


def test_what_is_too_large_is_refused_in_words_that_help(api: httpx.Client, layout: Layout, engine: Engine) -> None:
    archive = api.post("/v1/uploads", headers={**TUS, "Upload-Length": "2000001"})
    upload = begin(api, 10)
    past_the_end = send(api, upload, b"x" * 11, offset=0)
    past_the_bound = send(api, upload, b"x" * 2_000_001, offset=0)
    change(engine, "parts = array_fill('part'::text, ARRAY[1000])")
    too_many = send(api, upload, b"x", offset=0)
    answers = [archive, past_the_end, past_the_bound, too_many]
    assert [answer.status_code for answer in answers] == [413] * 4
    assert "2,000,000" in archive.json()["detail"]
    assert "only 10 bytes are missing" in past_the_end.json()["detail"]
    assert "send it in more parts" in past_the_bound.json()["detail"]
    assert "1000 parts" in too_many.json()["detail"]
    assert standing(api, upload) == 0
    assert files_below(layout) == []


def test_an_archive_that_one_request_cannot_carry_is_sent_to_the_uploads(
    context: ApiContext, engine: Engine, key: str
) -> None:
    with serving(replace(context, max_body=100_000)) as url, client(url, key=key) as api:
        answer = api.post("/v1/bundles", content=b"0" * 100_001, headers={"Content-Type": "application/zip"})
    assert answer.status_code == 413
    assert "of up to 2,000,000 bytes comes up in parts: POST /v1/uploads" in answer.json()["detail"]


def test_an_upload_is_its_tenants_alone(api: httpx.Client, stranger: httpx.Client) -> None:
    upload = begin(api, 10)
    assert stranger.head(upload, headers=TUS).status_code == 404
    assert send(stranger, upload, b"x", offset=0).status_code == 404
    assert stranger.delete(upload, headers=TUS).status_code == 404
    assert finish(stranger, upload).json()["errors"][0]["pointer"] == "/upload"
    assert standing(api, upload) == 0


def test_an_upload_that_is_ended_is_gone_with_its_files(api: httpx.Client, layout: Layout, engine: Engine) -> None:
    upload = begin(api, 10)
    send(api, upload, b"01234", offset=0)
    ended = api.delete(upload, headers=TUS)
    assert (ended.status_code, ended.headers["Tus-Resumable"]) == (204, "1.0.0")
    assert api.head(upload, headers=TUS).status_code == 404
    assert api.delete(upload, headers=TUS).status_code == 404
    assert files_below(layout) == []
    assert uploads_in(engine) == 0


def test_an_upload_says_when_its_time_is_over_and_is_not_found_from_then_on(api: httpx.Client, engine: Engine) -> None:
    upload = begin(api, 10)
    assert api.head(upload, headers=TUS).headers["Upload-Expires"].endswith(" GMT")
    change(engine, "expires_at = now()")
    assert api.head(upload, headers=TUS).status_code == 404
    assert send(api, upload, b"x", offset=0).status_code == 404
    assert finish(api, upload).status_code == 422


def test_an_upload_that_is_not_whole_says_what_is_missing(api: httpx.Client) -> None:
    upload = begin(api, 10)
    send(api, upload, b"01234", offset=0)
    answer = finish(api, upload)
    assert answer.status_code == 422
    (flaw,) = answer.json()["errors"]
    assert flaw["pointer"] == "/upload"
    assert "5 of its 10 bytes" in flaw["detail"]
    assert f"PATCH {upload}" in flaw["mend"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"upload": "no id"}', 422),
        (b'{"upload": "upload_x"}', 422),
        (b'{"upload": "upload_x", "name": "y"}', 422),
        (b'{"upload": "' + b"x" * 1_100_000 + b'"}', 413),
    ],
)
def test_an_order_for_a_bundle_that_cannot_be_read_is_a_problem(api: httpx.Client, body: bytes, status: int) -> None:
    answer = api.post("/v1/bundles", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_bad_bundle_in_parts_is_refused_with_its_fault_and_leaves_nothing(
    api: httpx.Client, layout: Layout, engine: Engine
) -> None:
    archive = zipped({"task.toml": ""})
    upload = begin(api, len(archive))
    send(api, upload, archive, offset=0)
    answer = finish(api, upload)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/bundle-refused"
    assert files_below(layout) == []
    assert uploads_in(engine) == 0


def test_of_a_part_that_breaks_off_what_came_counts(
    api: httpx.Client, url: str, key: str, layout: Layout, engine: Engine
) -> None:
    archive = large_archive(600_000)
    upload = begin(api, len(archive))
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("PATCH", upload)
    headers = {**PART, "Authorization": f"Bearer {key}", "Upload-Offset": "0", "Content-Length": str(len(archive))}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(archive[:300_000])
    until(lambda: any(layout.uploads.glob("*")), "the part has begun")
    connection.close()
    until(lambda: uploads_in(engine, "received") > 0, "what came is counted")
    offset = standing(api, upload)
    assert 0 < offset <= 300_000
    assert send(api, upload, archive[offset:], offset=offset).status_code == 204
    assert finish(api, upload).json()["sha256"] == hashlib.sha256(archive).hexdigest()


@pytest.fixture
def roomy_url(context: ApiContext) -> Iterator[str]:
    """The API with the limits that it has by default."""
    with serving(replace(context, limits=Limits())) as url:
        yield url


def test_fifty_megabytes_are_resumed_by_another_process_after_the_first_was_killed(
    roomy_url: str, key: str, engine: Engine, layout: Layout, tmp_path: Path
) -> None:
    archive = large_archive(50 * MEGABYTE)
    (tmp_path / "sum.zip").write_bytes(archive)
    with narrows(roomy_url, most=22 * MEGABYTE) as way:
        words = [way.url, key, str(tmp_path / "sum.zip"), str(tmp_path / "notes.json")]
        first = subprocess.Popen([sys.executable, "-c", TUS_CLIENT, *words])
        assert way.stuck.wait(30)
        first.kill()
        assert first.wait(10) == -9
        way.cut.set()
        until(lambda: uploads_in(engine, "received") > 20 * MEGABYTE, "what came is counted")
        carried = way.carried
        subprocess.run([sys.executable, "-c", TUS_CLIENT, *words], check=True, timeout=60)
        assert way.carried - carried < 31 * MEGABYTE
    upload_id = uploads_in(engine, "id")
    with client(roomy_url, key=key) as api:
        bundle = finish(api, f"/v1/uploads/{upload_id}").json()
    assert bundle["sha256"] == hashlib.sha256(archive).hexdigest()
    assert files_below(layout) == [layout.bundle(bundle["sha256"])]


def test_every_value_of_a_byte_comes_through(api: httpx.Client, layout: Layout) -> None:
    data = bytes(range(256)) + noise(1000)
    send(api, begin(api, len(data)), data, offset=0)
    assert [path.read_bytes() for path in files_below(layout)] == [data]
