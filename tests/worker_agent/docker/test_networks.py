"""Trials of one worker share a network and cannot reach each other on it."""

import asyncio
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.worker_agent.docker.tasks import IMAGE
from worker_agent.docker import commands, containers
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import ContainerStartError, EngineError
from worker_agent.docker.governor import Governor
from worker_agent.docker.leftovers import remove_container
from worker_agent.docker.networks import Network, larger_subnets

LISTEN = "exec perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Listen=>5,LocalPort=>7777)->accept; sleep 1' &"
CONNECT = "timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/7777'"
ROUTE = "cut -f2,3 /proc/net/route | awk '$1 == \"00000000\"' | wc -l"


@pytest.fixture
def network(docker: Engine, labels: dict[str, str], tmp_path: Path) -> Iterator[Network]:
    network = Network(name=f"flotilla-test-{uuid.uuid4().hex[:8]}", subnet=None, labels=labels)
    asyncio.run(network.ensure(docker, Governor(directory=tmp_path)))
    yield network
    asyncio.run(docker.json("DELETE", f"/networks/{network.name}"))


class Host:
    """Containers on networks; the fixture below removes them before the network goes."""

    def __init__(self, engine: Engine, labels: dict[str, str]) -> None:
        self.engine, self.labels = engine, labels
        self.made: list[str] = []

    def start(self, network: str) -> str:
        plan = containers.ContainerPlan(
            name=f"net-{uuid.uuid4().hex[:12]}", image=IMAGE, env={}, labels=self.labels, network=network,
            pids_limit=100, log_max_size="1m", init=True,
        )  # fmt: skip
        made = asyncio.run(containers.create(self.engine, plan))
        self.made.append(made)
        asyncio.run(containers.start(self.engine, made))
        return made

    def shell(self, container: str, command: str) -> tuple[str, int]:
        return asyncio.run(commands.run(self.engine, container, argv=["bash", "-c", command]))

    def address(self, container: str, network: str) -> str:
        networks = asyncio.run(self.engine.json("GET", f"/containers/{container}/json"))["NetworkSettings"]["Networks"]
        return str(networks[network]["IPAddress"])


@pytest.fixture
def host(docker: Engine, labels: dict[str, str], network: Network) -> Iterator[Host]:
    host = Host(docker, labels)
    yield host
    for container in host.made:
        asyncio.run(remove_container(docker, container))


def _reaches(host: Host, network: str) -> bool:
    """Whether one container connects to another that listens, on the same network."""
    listener, caller = host.start(network), host.start(network)
    assert host.shell(listener, f"{LISTEN} sleep 0.3") == ("", 0)
    _, code = host.shell(caller, CONNECT.format(address=host.address(listener, network)))
    return code == 0


def test_two_containers_of_it_do_not_reach_each_other(host: Host, network: Network) -> None:
    assert not _reaches(host, network.name)


def test_the_same_two_would_reach_each_other_on_the_default_bridge(host: Host) -> None:
    assert _reaches(host, "bridge")


def test_the_world_is_as_near_as_on_the_default_bridge(host: Host, network: Network) -> None:
    routes = [host.shell(host.start(name), ROUTE) for name in (network.name, "bridge")]
    assert routes == [("1\n", 0), ("1\n", 0)]


def test_many_who_want_it_make_it_once(docker: Engine, labels: dict[str, str], tmp_path: Path) -> None:
    network = Network(name=f"flotilla-test-{uuid.uuid4().hex[:8]}", subnet="10.231.7.0/24", labels=labels)

    async def scenario() -> list[str]:
        governor = Governor(directory=tmp_path)
        await asyncio.gather(*(network.ensure(docker, governor) for _ in range(8)))
        found = [known for known in await docker.json("GET", "/networks") if known["Name"] == network.name]
        await docker.json("DELETE", f"/networks/{network.name}")
        return [known["IPAM"]["Config"][0]["Subnet"] for known in found]

    assert asyncio.run(scenario()) == ["10.231.7.0/24"]


def test_where_pools_are_cut_small_a_larger_subnet_is_found_beside() -> None:
    larger = list(larger_subnets(IPv4Network("10.200.0.16/28"), containers=120))
    assert {subnet.prefixlen for subnet in larger} == {25}
    assert all(subnet.subnet_of(IPv4Network("10.200.0.0/16")) for subnet in larger)
    assert larger[0] == IPv4Network("10.200.255.128/25")


def test_a_network_has_room_for_all_its_containers_or_none_is_made(
    docker: Engine, labels: dict[str, str], tmp_path: Path
) -> None:
    name = f"flotilla-test-{uuid.uuid4().hex[:8]}"
    too_many = Network(name=name, subnet=None, labels=labels, containers=200_000)
    with pytest.raises(ContainerStartError, match="default-address-pools"):
        asyncio.run(too_many.ensure(docker, Governor(directory=tmp_path)))
    with pytest.raises(EngineError):
        asyncio.run(docker.json("GET", f"/networks/{name}"))
