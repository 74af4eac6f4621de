import base64

import httpx
import pytest

from tests.api.parts import PART, TUS, begin, standing


def test_what_is_spoken_here_is_told(api: httpx.Client) -> None:
    answer = api.options("/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,expiration,termination"
    assert answer.headers["Tus-Max-Size"] == "2000000"


@pytest.mark.parametrize("spoken", [{}, {"Tus-Resumable": "0.2.2"}])
def test_another_version_of_the_protocol_is_refused_with_ours(api: httpx.Client, spoken: dict[str, str]) -> None:
    upload = begin(api, 10)
    for method in ("HEAD", "PATCH", "DELETE"):
        answer = api.request(method, upload, headers={**PART, "Upload-Offset": "0", "Tus-Resumable": "", **spoken})
        assert answer.status_code == 412
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert standing(api, upload) == 0


def test_a_part_of_another_media_type_is_refused(api: httpx.Client) -> None:
    answer = api.patch(begin(api, 10), headers={**TUS, "Upload-Offset": "0"}, content=b"x")
    assert answer.status_code == 415
    assert "application/offset+octet-stream" in answer.json()["detail"]


@pytest.mark.parametrize("length", [{}, {"Upload-Length": "-1"}, {"Upload-Length": "ten"}])
def test_an_upload_without_a_length_is_refused(api: httpx.Client, length: dict[str, str]) -> None:
    answer = api.post("/v1/uploads", headers={**TUS, **length})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/upload-length"


def test_what_a_client_tells_of_its_file_is_given_back(api: httpx.Client) -> None:
    told = f"filename {base64.b64encode(b'sum.zip').decode()},is_final"
    assert api.head(begin(api, 1, **{"Upload-Metadata": told}), headers=TUS).headers["Upload-Metadata"] == told
    assert "Upload-Metadata" not in api.head(begin(api, 1, **{"Upload-Metadata": ""}), headers=TUS).headers
    assert api.head(begin(api, 7), headers=TUS).headers["Upload-Length"] == "7"
    answer = api.post("/v1/uploads", headers={**TUS, "Upload-Length": "1", "Upload-Metadata": "filename sum.zip"})
    assert answer.status_code == 422


def test_a_method_that_a_proxy_would_not_let_through_may_stand_in_a_header(api: httpx.Client) -> None:
    upload = begin(api, 2)
    headers = {**PART, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert api.post(upload, headers=headers, content=b"x").status_code == 204
    assert standing(api, upload) == 1
