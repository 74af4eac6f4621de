"""The API over a database and a directory of its own, under a real server, with a client that has a key."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy

from api.app import ApiContext, Streaming
from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.store.keys import issue_key
from tests.api.bundle import zipped
from tests.api.fleet import Fleet
from tests.api.serving import client, serving
from tests.run_queues import RunQueues


@dataclass(slots=True)
class Kicks:
    """Counts how often the pulse was told of work."""

    count: int = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "shared")


@pytest.fixture
def kicks() -> Kicks:
    return Kicks()


@pytest.fixture
def context(engine: sqlalchemy.Engine, layout: Layout, kicks: Kicks, run_queues: RunQueues) -> ApiContext:
    return ApiContext(
        engine=engine,
        layout=layout,
        queue=run_queues.queue,
        kick=kicks,
        limits=Limits(packed_bytes=2_000_000, unpacked_bytes=4_000_000, files=100),
        streaming=Streaming(poll_seconds=0.02),
        run_limit=500,
    )


@pytest.fixture
def key(engine: sqlalchemy.Engine) -> str:
    with engine.begin() as connection:
        return issue_key(connection, name="tests")


@pytest.fixture
def url(context: ApiContext) -> Iterator[str]:
    with serving(context) as url:
        yield url


@pytest.fixture
def api(url: str, key: str) -> Iterator[httpx.Client]:
    with client(url, key=key) as api:
        yield api


@pytest.fixture
def stranger(url: str, engine: sqlalchemy.Engine) -> Iterator[httpx.Client]:
    """A client of another tenant."""
    with engine.begin() as connection:
        key = issue_key(connection, name="stranger", tenant="another")
    with client(url, key=key) as api:
        yield api


@pytest.fixture
def fleet(engine: sqlalchemy.Engine, layout: Layout) -> Fleet:
    return Fleet.of_one(engine, layout)


@pytest.fixture
def bundle(api: httpx.Client) -> dict[str, Any]:
    answer = api.post("/v1/bundles", content=zipped(), headers={"Content-Type": "application/zip"})
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


type MakeJob = Callable[..., dict[str, Any]]


@pytest.fixture
def make_job(api: httpx.Client, bundle: dict[str, Any]) -> MakeJob:
    """Makes a job of the oracle; further fields may be given."""

    def make(**fields: Any) -> dict[str, Any]:
        answer = api.post("/v1/jobs", json={"bundle": bundle["id"], "agent": {"name": "oracle"}, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return make


@pytest.fixture
def runs_of(api: httpx.Client) -> Callable[[str], list[str]]:
    """The ids of a job's runs, by number."""
    return lambda job_id: [run["id"] for run in api.get(f"/v1/jobs/{job_id}/runs").json()["items"]]


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Runs a program in a process of its own; returns what it prints."""
    return lambda program: (
        subprocess.run([sys.executable, "-c", program], check=True, text=True, capture_output=True).stdout
    )
