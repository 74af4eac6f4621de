"""What a real worker needs, real: a migrated database, both queues at our own endpoint, a shared directory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotilla.local.queues import REGION, queue_options, queue_urls
from flotilla.settings import read
from flotilla.states import Priority
from worker_agent.settings import WorkerSettings


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Our SQS endpoint in a process of its own, with the queues of a stack."""
    command = [sys.executable, "-m", "flotilla.local.sqs", "--port", "0", "--die-with-parent", *queue_options()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().partition(" ")[2]
        yield url
        process.terminate()


@pytest.fixture
def variables(endpoint: str, database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a worker that trials in sandboxes."""
    urls = queue_urls(endpoint)
    (tmp_path / "shared").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "FLOTILLA_DATABASE_URL": database_url,
        "FLOTILLA_QUEUE_URL": urls[Priority.NORMAL],
        "FLOTILLA_QUEUE_HIGH_URL": urls[Priority.HIGH],
        "FLOTILLA_SHARED": str(tmp_path / "shared"),
        "FLOTILLA_SCRATCH": str(tmp_path / "scratch"),
        "FLOTILLA_WORKER_NAME": f"worker-{tmp_path.name}",
        "FLOTILLA_ENVIRONMENT": "sandbox",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "anybody",
    }


@pytest.fixture
def settings(variables: dict[str, str]) -> WorkerSettings:
    """What the worker reads there."""
    return read(variables, WorkerSettings)
