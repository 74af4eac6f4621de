"""The SQS endpoints that tests run against: ours and two emulators by others."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest

from flotilla.queue import RunQueue, sqs_client
from flotilla.states import Priority
from tests.run_queues import stopped_at_the_end

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

EMULATORS = ["ours", "moto", "ministack"]
START_SECONDS = 120  # the first start of an isolated tool downloads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """In what an emulator differs from SQS. If `always`, the test must fail; if not, it is a race that it may lose."""

    reason: str
    always: bool = True


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ministack, in an environment of its own because its pins collide with ours."""
    tool = [sys.executable, "-m", "uv", "tool", "run", "--python", sys.executable]
    command = [*tool, "--from", "ministack==1.5.33", "--with", "boto3==1.43.106", "ministack"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    directory = tmp_path_factory.mktemp("ministack")
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=directory, stdout=log, stderr=subprocess.STDOUT)
        with stopped_at_the_end(process):
            url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(url, process=process, log=directory / "log")
            yield url


def _wait_until_healthy(url: str, *, process: subprocess.Popen[bytes], log: Path) -> None:
    with httpx.Client(trust_env=False, timeout=1) as client:
        for _ in range(START_SECONDS * 10):
            with suppress(httpx.TransportError):  # not there yet
                client.get(f"{url}/health").raise_for_status()
                return
            with suppress(subprocess.TimeoutExpired):  # the pause between two looks ends early if it dies
                process.wait(0.1)
                break
    pytest.fail(f"ministack did not start:\n{log.read_text()}")


@pytest.fixture(params=EMULATORS)
def emulator(request: pytest.FixtureRequest) -> str:
    """Whose SQS the test talks to. What deviates is named in the module's `KNOWN_DEVIATIONS`; ours may not."""
    name: str = request.param
    deviation: Deviation | None = request.module.KNOWN_DEVIATIONS.get((name, request.node.originalname))
    if deviation is not None and name != "ours":
        request.applymarker(pytest.mark.xfail(reason=deviation.reason, strict=deviation.always))
    return name


@pytest.fixture
def any_client(emulator: str, request: pytest.FixtureRequest) -> "Iterator[SQSClient]":
    """The client that the fleet uses; moto alone cannot tell services apart without a signature."""
    if emulator == "moto":
        url = request.getfixturevalue("moto_url")
        made = boto3.client(
            "sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
    else:
        fixture = {"ours": "sqs_url", "ministack": "ministack_url"}[emulator]
        made = sqs_client(endpoint_url=request.getfixturevalue(fixture), region="us-east-1")
    yield made
    made.close()


@pytest.fixture
def queue_name() -> str:
    """A queue name that no other test uses."""
    return f"runs-{uuid.uuid4().hex}"


@pytest.fixture
def urls(any_client: "SQSClient", queue_name: str) -> dict[Priority, str]:
    """Two new queues."""
    return {
        priority: any_client.create_queue(QueueName=f"{queue_name}-{priority}")["QueueUrl"] for priority in Priority
    }


@pytest.fixture
def any_queue(any_client: "SQSClient", urls: dict[Priority, str]) -> RunQueue:
    """The fleet's view of both."""
    return RunQueue(any_client, urls=urls)
