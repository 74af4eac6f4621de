import http.client
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, text

from flotilla.layout import Layout
from tests.api.bundle import TASK, tarred, without, zipped
from tests.api.waiting import until

ZIP = {"Content-Type": "application/zip"}
GZIP = {"Content-Type": "application/gzip"}


def files_below(layout: Layout) -> list[Path]:
    return [path for path in layout.root.rglob("*") if path.is_file()]


def bundles_in(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM bundles")).scalar_one())


def of_devices() -> bytes:
    buffer = io.BytesIO(tarred())
    plain = io.BytesIO()
    with tarfile.open(fileobj=buffer) as source, tarfile.open(fileobj=plain, mode="w:gz") as target:
        for member in source:
            target.addfile(member, source.extractfile(member))
        device = tarfile.TarInfo("environment/device")
        device.type = tarfile.CHRTYPE
        target.addfile(device)
    return plain.getvalue()


def test_a_zip_becomes_a_bundle_with_what_is_known_of_it(api: httpx.Client, layout: Layout) -> None:
    archive = zipped()
    answer = api.post("/v1/bundles", content=archive, headers=ZIP)
    assert answer.status_code == 201
    bundle = answer.json()
    assert bundle["task_name"] == "acme/sum"
    assert bundle["format"] == "zip"
    assert bundle["size"] == len(archive)
    assert bundle["files"] == len(TASK)
    assert bundle["unpacked_size"] == sum(map(len, TASK.values()))
    assert bundle["created_at"].endswith("Z")
    assert layout.bundle(bundle["sha256"]).read_bytes() == archive
    assert api.get(f"/v1/bundles/{bundle['id']}").json() == bundle


@pytest.mark.parametrize("kind", ["application/gzip", "application/x-gzip", "application/octet-stream"])
def test_a_tar_is_taken_under_each_of_its_media_types(api: httpx.Client, kind: str) -> None:
    answer = api.post("/v1/bundles", content=tarred(folder="sum/"), headers={"Content-Type": kind})
    assert answer.status_code == 201
    assert answer.json()["format"] == "tar.gz"


def test_a_task_without_a_name_is_called_by_its_folder_or_else_task(api: httpx.Client) -> None:
    nameless = {**TASK, "task.toml": ""}
    in_folder = api.post("/v1/bundles", content=zipped(nameless, folder="adding/"), headers=ZIP)
    at_root = api.post("/v1/bundles", content=zipped(nameless), headers=ZIP)
    assert in_folder.json()["task_name"] == "adding"
    assert at_root.json()["task_name"] == "task"


def test_the_same_archive_again_is_the_same_bundle(api: httpx.Client, engine: Engine, layout: Layout) -> None:
    first, second = (api.post("/v1/bundles", content=zipped(), headers=ZIP).json() for _ in range(2))
    assert first == second
    assert bundles_in(engine) == 1
    assert files_below(layout) == [layout.bundle(first["sha256"])]


def test_two_tenants_share_the_file_but_not_the_bundle(
    api: httpx.Client, stranger: httpx.Client, layout: Layout
) -> None:
    ours = api.post("/v1/bundles", content=zipped(), headers=ZIP).json()
    theirs = stranger.post("/v1/bundles", content=zipped(), headers=ZIP).json()
    assert ours["id"] != theirs["id"]
    assert len(files_below(layout)) == 1
    assert stranger.get(f"/v1/bundles/{ours['id']}").status_code == 404


@pytest.mark.parametrize(
    ("archive", "headers", "pointer"),
    [
        pytest.param(b"no archive at all", ZIP, "", id="no archive"),
        pytest.param(b"", ZIP, "", id="no bytes"),
        pytest.param(zipped({}), ZIP, "", id="empty zip"),
        pytest.param(tarred({}), GZIP, "", id="empty tar"),
        pytest.param(zipped()[:-40], ZIP, "", id="cut-off zip"),
        pytest.param(tarred()[:-40], GZIP, "", id="cut-off tar"),
        pytest.param(zipped(without("task.toml")), ZIP, "/task.toml", id="no task.toml"),
        pytest.param(zipped({**TASK, "task.toml": "version = ["}), ZIP, "/task.toml", id="unreadable task.toml"),
        pytest.param(
            zipped({**TASK, "task.toml": "[agent]\ntimeout_sec = 'soon'"}),
            ZIP,
            "/task.toml/agent/timeout_sec",
            id="a task.toml that Harbor refuses",
        ),
        pytest.param(zipped({**TASK, "../evil": "x"}), ZIP, None, id="parent folder"),
        pytest.param(zipped({**TASK, "/etc/evil": "x"}), ZIP, None, id="absolute name"),
        pytest.param(tarred(links={"environment/link": "/etc"}), GZIP, "/environment/link", id="link"),
        pytest.param(of_devices(), GZIP, "/environment/device", id="device"),
        pytest.param(zipped({**TASK, "environment/big": "0" * 5_000_000}), ZIP, None, id="expands past the limit"),
        pytest.param(zipped({**TASK, **{f"environment/{n}": "" for n in range(101)}}), ZIP, None, id="too many files"),
        pytest.param(zipped(without("tests/test.sh")), ZIP, None, id="no tests"),
    ],
)
def test_a_bad_bundle_is_refused_with_its_fault_and_leaves_nothing(
    api: httpx.Client, engine: Engine, layout: Layout, archive: bytes, headers: dict[str, str], pointer: str | None
) -> None:
    answer = api.post("/v1/bundles", content=archive, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/bundle-refused"
    assert all(error["detail"] and error["mend"] for error in problem["errors"])
    if pointer is not None:
        assert pointer in [error["pointer"] for error in problem["errors"]]
    assert files_below(layout) == []
    assert bundles_in(engine) == 0


def too_large() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("big", b"0" * 3_000_000)
    return buffer.getvalue()


def test_an_archive_over_the_packed_limit_is_refused_by_its_stated_length(api: httpx.Client, layout: Layout) -> None:
    answer = api.post("/v1/bundles", content=too_large(), headers=ZIP)
    assert answer.status_code == 413
    assert "2,000,000" in answer.json()["detail"]
    assert files_below(layout) == []


def test_an_archive_over_the_packed_limit_is_refused_while_it_comes(
    api: httpx.Client, engine: Engine, layout: Layout
) -> None:
    archive = too_large()
    chunks = (archive[start : start + 65_536] for start in range(0, 2_100_000, 65_536))
    answer = api.post("/v1/bundles", content=chunks, headers=ZIP)
    assert answer.status_code == 413
    assert files_below(layout) == []
    assert bundles_in(engine) == 0


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "multipart/form-data; boundary=x"}])
def test_another_media_type_is_refused_with_the_ones_that_are_taken(api: httpx.Client, headers: dict[str, str]) -> None:
    answer = api.post("/v1/bundles", content=zipped(), headers=headers)
    assert answer.status_code == 415
    assert "application/zip or application/gzip" in answer.json()["detail"]


def test_an_upload_that_its_client_breaks_off_leaves_nothing(
    url: str, key: str, engine: Engine, layout: Layout
) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("POST", "/v1/bundles")
    for name, value in {**ZIP, "Authorization": f"Bearer {key}", "Content-Length": "1000000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"PK" + b"0" * 300_000)
    until(lambda: any(layout.uploads.glob("*")), "the upload has begun")
    connection.close()
    until(lambda: not any(layout.uploads.iterdir()), "the upload is gone")
    assert files_below(layout) == []
    assert bundles_in(engine) == 0


def test_a_bundle_without_a_key_is_refused_before_it_is_read(url: str, layout: Layout) -> None:
    answer = httpx.post(f"{url}/v1/bundles", content=zipped(), headers=ZIP)
    assert answer.status_code == 401
    assert not layout.uploads.exists()


def test_an_unknown_bundle_is_not_found(api: httpx.Client, bundle: dict[str, Any]) -> None:
    assert api.get(f"/v1/bundles/{bundle['id']}x").status_code == 404
