"""Whole stacks, each started once for all tests here: one whose trials run in sandboxes, one in Docker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.asking import Asking
from tests.flotilla.local.running_stack import running_stack

SECRET = "correct horse/battery+staple"


RENEWAL_SECONDS = 2.0  # a third of the lease


def variables() -> dict[str, str]:
    return {**os.environ, "FLOTILLA_LEASE_SECONDS": "6", "HARBOUR_KEY": SECRET}


@pytest.fixture(scope="session")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A stack of two workers with five slots each."""
    directory = tmp_path_factory.mktemp("sandboxes") / "data"
    with (
        running_stack(directory, "--workers", "2", "--slots", "5", variables=variables()) as stack,
        stack.http() as http,
    ):
        yield Asking(http=http, stack=stack)


@pytest.fixture(scope="session")
def containers(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A stack of one worker with ten slots, on the Docker engine."""
    directory = tmp_path_factory.mktemp("containers") / "data"
    given = {**variables(), "DOCKER_HOST": docker_engine}
    with (
        running_stack(directory, "--slots", "10", variables=given, environment="docker") as stack,
        stack.http() as http,
    ):
        yield Asking(http=http, stack=stack, engine=docker_engine)


@pytest.fixture(params=["sandboxes", "containers"])
def anywhere(request: pytest.FixtureRequest) -> Asking:
    """Each stack in turn."""
    asking: Asking = request.getfixturevalue(request.param)
    return asking


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parents[2] / "examples" / "tasks"
