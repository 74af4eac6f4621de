"""Uploads in parts, as a client of tus 1.0 makes them."""

import httpx

TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


def begin(api: httpx.Client, length: int, **headers: str) -> str:
    """A new upload's path."""
    answer = api.post("/v1/uploads", headers={**TUS, "Upload-Length": str(length), **headers})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/uploads/{answer.json()['id']}"
    return answer.headers["Location"]


def send(api: httpx.Client, upload: str, data: bytes, *, offset: int) -> httpx.Response:
    return api.patch(upload, headers={**PART, "Upload-Offset": str(offset)}, content=data)


def standing(api: httpx.Client, upload: str) -> int:
    answer = api.head(upload, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"])


def finish(api: httpx.Client, upload: str) -> httpx.Response:
    return api.post("/v1/bundles", json={"upload": upload.rpartition("/")[2]})
