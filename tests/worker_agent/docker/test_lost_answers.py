"""An engine that loses answers, or is short of a lock for a moment, costs no trial and leaves nothing twice."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker_agent.docker.tasks import IMAGE, labelled
from tests.worker_agent.engine_proxy import EngineProxy, Injury, Kind, proxied
from worker_agent.docker import commands, containers
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import AnswerLostError, ContainerStartError
from worker_agent.docker.governor import Governor
from worker_agent.docker.networks import Network

LOCKED = "failed to update the store: database is locked"


@pytest.fixture
def proxy(docker_engine: str, tmp_path: Path) -> Iterator[EngineProxy]:
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        yield proxy


@pytest.fixture
def through(proxy: EngineProxy) -> Engine:
    """A client of the engine that can be injured."""
    return Engine(proxy.address)


def plan(labels: dict[str, str]) -> containers.ContainerPlan:
    return containers.ContainerPlan(
        name=f"lost-{uuid.uuid4().hex[:12]}", image=IMAGE, env={}, labels=labels, network="none",
        pids_limit=100, log_max_size="1m", init=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (Kind.LOST, r"POST \S*/containers/create"),
        (Kind.LOST, r"POST \S*/containers/\S+/start "),
        (Kind.LOST, r"POST \S*/exec "),
        (Kind.LOST, r"GET \S*/containers/\S+/json"),
        (Kind.REFUSED, r"POST \S*/containers/create"),
        (Kind.REFUSED, r"POST \S*/containers/\S+/start "),
        (Kind.REFUSED, r"POST \S*/exec/\S+/start "),
    ],
)
def test_one_container_runs_whatever_the_engine_meets(
    proxy: EngineProxy, through: Engine, docker: Engine, labels: dict[str, str], kind: Kind, calls: str
) -> None:
    injury = Injury(calls=calls, kind=kind, words=LOCKED, left=1)
    proxy.injuries.append(injury)

    async def scenario() -> tuple[str, int]:
        made = await containers.create(through, plan(labels))
        await containers.start(through, made)
        return await commands.run(through, made, argv=["echo", "hello"])

    expected = (f"{LOCKED}\n", commands.REFUSED) if "/exec/" in calls else ("hello\n", 0)
    assert asyncio.run(scenario()) == expected
    assert injury.met == 1
    assert [one["State"] for one in asyncio.run(labelled(docker, labels))] == ["running"]
    for one in asyncio.run(labelled(docker, labels)):
        asyncio.run(docker.json("DELETE", f"/containers/{one['Id']}", query={"force": 1}))


def test_a_command_whose_answer_is_lost_is_not_run_twice(
    proxy: EngineProxy, through: Engine, docker: Engine, container: str
) -> None:
    proxy.injuries.append(Injury(calls=r"POST \S*/exec/\S+/start ", kind=Kind.LOST, left=1))
    with pytest.raises(AnswerLostError):
        asyncio.run(commands.run(through, container, argv=["sh", "-c", "echo once >>/count"]))
    output, _ = asyncio.run(commands.run(docker, container, argv=["cat", "/count"]))
    assert output == "once\n"


def test_a_network_whose_answer_was_lost_is_made_once(
    proxy: EngineProxy, through: Engine, docker: Engine, labels: dict[str, str], tmp_path: Path
) -> None:
    proxy.injuries.append(Injury(calls=r"POST \S*/networks/create", kind=Kind.LOST, left=1))
    network = Network(name=f"flotilla-test-{uuid.uuid4().hex[:8]}", subnet=None, labels=labels)

    async def scenario() -> list[str]:
        await network.ensure(through, Governor(directory=tmp_path))
        found = [known["Id"] for known in await docker.json("GET", "/networks") if known["Name"] == network.name]
        for one in found:
            await docker.json("DELETE", f"/networks/{one}")
        return found

    assert len(asyncio.run(scenario())) == 1


def test_a_fault_that_stays_is_not_waited_for(proxy: EngineProxy, through: Engine, labels: dict[str, str]) -> None:
    injury = Injury(calls=r"POST \S*/containers/create", kind=Kind.REFUSED)
    proxy.injuries.append(injury)
    with pytest.raises(ContainerStartError, match="controller went away"):
        asyncio.run(containers.create(through, plan(labels)))
    assert injury.met == 1
