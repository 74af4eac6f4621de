"""Whether an uploaded bundle may reach for the host is the deployment's to say."""

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from api.app import ApiContext
from tests.api.bundle import TASK, zipped
from tests.api.serving import client, serving

COMPOSE = """
services:
  main:
    network_mode: host
  db:
    image: postgres:17
    privileged: true
    volumes: ["/var/run/docker.sock:/var/run/docker.sock"]
"""
ARCHIVE = zipped({**TASK, "environment/docker-compose.yaml": COMPOSE})

type Sent = Callable[[httpx.Client], httpx.Response]


def _sent_whole(api: httpx.Client) -> httpx.Response:
    return api.post("/v1/bundles", content=ARCHIVE, headers={"Content-Type": "application/zip"})


def _sent_in_parts(api: httpx.Client) -> httpx.Response:
    version = {"Tus-Resumable": "1.0.0"}
    made = api.post("/v1/uploads", headers={**version, "Upload-Length": str(len(ARCHIVE))})
    words = {**version, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    api.patch(made.headers["Location"], content=ARCHIVE, headers=words).raise_for_status()
    return api.post("/v1/bundles", json={"upload": made.headers["Location"].rpartition("/")[2]})


WAYS = pytest.mark.parametrize("sent", [_sent_whole, _sent_in_parts])


@WAYS
def test_a_bundle_that_asks_for_the_host_is_refused_with_every_key_that_does(sent: Sent, api: httpx.Client) -> None:
    answer = sent(api)

    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"].endswith("bundle-refused")
    services = "/environment/docker-compose.yaml/services"
    assert {error["pointer"] for error in problem["errors"]} == {
        f"{services}/main/network_mode",
        f"{services}/db/privileged",
        f"{services}/db/volumes/0",
    }
    assert "Docker socket" in problem["detail"]


@WAYS
def test_a_deployment_that_allows_it_keeps_the_bundle(sent: Sent, context: ApiContext, key: str) -> None:
    with serving(replace(context, allow_host_access=True)) as url, client(url, key=key) as api:
        assert sent(api).status_code in {200, 201}
