"""What every test may ask for: a migrated database on a real server, our queues, AWS by moto, and a Docker engine."""

import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import sqlalchemy
from moto.server import ThreadedMotoServer

from flotilla import database, schema
from flotilla.local.postgres import Postgres, running
from flotilla.queue import sqs_client
from tests.neighbourhoods import Neighbourhoods
from tests.run_queues import RunQueues, SqsProcess, running_sqs

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from xdist.remote import Producer

TEMPLATE = "migrated"
TRIAL_IMAGE = "debian:bookworm-slim"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> Neighbourhoods | None:
    """How several processes share the tests (`-n`), unless another way is asked for (`--dist`)."""
    return Neighbourhoods(config, log) if config.getoption("dist") == "load" else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests, with a migrated database to copy."""
    with (
        tempfile.TemporaryDirectory(prefix="flotilla-tests-", dir="/tmp") as directory,
        running(Path(directory), durable=False) as server,
    ):
        server.create_database(TEMPLATE)
        engine = database.connect(server.url(TEMPLATE))
        schema.migrate(engine)
        engine.dispose()
        yield server


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """A fresh database with all tables and no rows."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine on the test's database; the test fails if it leaves a connection checked out."""
    engine = database.connect(database_url)
    yield engine
    left_out = engine.pool.checkedout() if isinstance(engine.pool, sqlalchemy.QueuePool) else 0
    engine.dispose()
    assert left_out == 0, f"{left_out} database connections were not given back"


type StartSqs = Callable[..., AbstractContextManager[SqsProcess]]


@pytest.fixture(scope="session")
def start_sqs() -> StartSqs:
    """Starts our SQS endpoint with further command-line options; it stops at the end of the `with`."""
    return running_sqs


@pytest.fixture(scope="session")
def sqs_url() -> Iterator[str]:
    """Our SQS endpoint, without faults."""
    with running_sqs() as sqs:
        yield sqs.url


@pytest.fixture(scope="session")
def sqs(sqs_url: str) -> "Iterator[SQSClient]":
    """The fleet's client of it."""
    client = sqs_client(endpoint_url=sqs_url, region="us-east-1")
    yield client
    client.close()


@pytest.fixture
def run_queues(sqs: "SQSClient") -> RunQueues:
    """Both queues of a fleet, and the dead-letter queues behind them."""
    return RunQueues.made(sqs, name=f"runs-{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The moto server, which wants signed requests."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[str]:
    """The address (`unix://…`) of a Docker engine that answers and has the image that trials are built on.

    It is in `DOCKER_HOST` as well, for the programs that a test starts.
    """
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    _require_answer(address)
    transport = httpx.HTTPTransport(uds=address.removeprefix("unix://"))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=300) as client:
        _provide_image(client)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", address)
        yield address


def _require_answer(address: str) -> None:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(address.removeprefix("unix://"))
    except OSError as error:
        fault = f"no Docker engine answers at {address} ({error})"
        if os.environ.get("FLOTILLA_REQUIRE_DOCKER") == "1":
            pytest.fail(f"{fault}: start one with .ci/docker-engine")
        pytest.skip(fault)


def _provide_image(client: httpx.Client) -> None:
    image = f"/images/{TRIAL_IMAGE}/json"
    if client.get(image).is_success:
        return
    client.post("/images/create", params={"fromImage": TRIAL_IMAGE})
    if not client.get(image).is_success:
        pytest.fail(f"the image {TRIAL_IMAGE} is not there and cannot be pulled: .ci/docker-engine makes it")
