"""A Docker engine with something running in it, and trials whose traces are looked for afterwards."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.worker_agent.docker.tasks import IMAGE, IMAGE_LABEL, Runner
from worker_agent.docker import containers
from worker_agent.docker.engine import Engine
from worker_agent.docker.leftovers import remove_container, remove_labelled

OWNER = "flotilla.worker"


@pytest.fixture
def docker(docker_engine: str) -> Engine:
    """A client of the engine."""
    return Engine(docker_engine)


@pytest.fixture
def labels(docker: Engine) -> Iterator[dict[str, str]]:
    """The label of this test; the test fails if anything but a shared network still has it."""
    labels = {OWNER: f"test-{uuid.uuid4().hex[:12]}"}
    yield labels
    left = asyncio.run(remove_labelled(docker, labels))
    assert [name for name in left if not name.startswith("network flotilla-test-")] == []


@pytest.fixture
def container(docker: Engine, labels: dict[str, str]) -> Iterator[str]:
    """A running container of the trials' image."""
    with running_container(docker, labels) as made:
        yield made


@contextmanager
def running_container(docker: Engine, labels: dict[str, str]) -> Iterator[str]:
    """A container of the trials' image, removed at the end; its id."""
    plan = containers.ContainerPlan(
        name=f"container-{uuid.uuid4().hex[:12]}",
        image=IMAGE,
        env={"GREETING": "hello"},
        labels=labels,
        network="none",
        pids_limit=100,
        log_max_size="1m",
        init=True,
    )

    async def started() -> str:
        made = await containers.create(docker, plan)
        await containers.start(docker, made)
        return made

    yield asyncio.run(started())
    asyncio.run(remove_container(docker, plan.name))


@pytest.fixture(scope="session")
def no_images_stay(docker_engine: str) -> Iterator[None]:
    """Removes the images that only tests could want, when the last test has run."""
    yield
    asyncio.run(_remove_images(Engine(docker_engine)))


async def _remove_images(engine: Engine) -> None:
    filters = {"filters": json.dumps({"label": [IMAGE_LABEL]})}
    for image in await engine.json("GET", "/images/json", query=filters):
        await engine.json("DELETE", f"/images/{image['Id']}", query={"force": 1})


@pytest.fixture
def runner(tmp_path: Path, labels: dict[str, str], no_images_stay: None) -> Runner:
    """Runs Harbor's own trials in our environment, on a network of this test."""
    return Runner(folder=tmp_path, labels=labels, network=f"flotilla-{labels[OWNER]}")
