"""Thirty runs of one task, in ten trial processes at a time, build its image once; a changed Dockerfile builds anew."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.asking import Asking
from tests.acceptance.conftest import variables
from tests.api.bundle import TASK
from tests.conftest import TRIAL_IMAGE
from tests.flotilla.local.running_stack import running_stack
from tests.worker_agent.engine_proxy import Injury, Kind, proxied
from worker_agent.docker.engine import Engine

RUNS, SLOTS = 30, 10
LABEL = "flotilla.test.build"  # not that of other tests, which remove all that has it
BUILDS = r"POST \S*/(grpc|build)\b"
"""How a builder is reached: BuildKit by the first, the older one by the second. It tells no event of its own."""


@pytest.fixture
def mark(docker_engine: str) -> Iterator[str]:
    """A label of the images of this test, which are removed at its end."""
    mark = uuid.uuid4().hex
    yield mark

    async def remove() -> None:
        engine, query = Engine(docker_engine), {"filters": json.dumps({"label": [f"{LABEL}={mark}"]})}
        for image in await engine.json("GET", "/images/json", query=query):
            await engine.json("DELETE", f"/images/{image['Id']}", query={"force": 1})

    asyncio.run(remove())


def test_thirty_runs_cost_one_build_as_one_run_does_and_a_changed_dockerfile_one_more(
    docker_engine: str, mark: str, tmp_path: Path
) -> None:
    one, many = (
        {**TASK, "environment/Dockerfile": f"FROM {TRIAL_IMAGE}\nRUN echo {name}\nLABEL {LABEL}={mark}\n"}
        for name in ("one", "many")
    )
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        builds = Injury(calls=BUILDS, kind=Kind.COUNTED)
        proxy.injuries.append(builds)
        given = {**variables(), "DOCKER_HOST": proxy.address}
        with (
            running_stack(tmp_path / "data", "--slots", str(SLOTS), variables=given, environment="docker") as stack,
            stack.http() as http,
        ):
            asking = Asking(http=http, stack=stack)

            def calls(task: dict[str, str], *, runs: int) -> int:
                before = builds.met
                ended = asking.ended(asking.submit(task, runs=runs))
                assert [run["state"] for run in ended] == ["graded"] * runs
                return builds.met - before

            of_one_build = calls(one, runs=1)
            assert of_one_build > 0
            assert calls(many, runs=RUNS) == of_one_build
            assert calls(one, runs=2) == 0, "it is still there"
