"""The firewall of a booted machine, by packets: what a container reaches through it, and what not."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.cdk.boot.booted import Booted
from tests.cdk.boot.networks import CONTAINER, MACHINE_BRIDGE, MACHINE_UPLINK, Networks, connected_networks

HTTP, POSTGRESQL, NFS, NAMES, SSH = 80, 5432, 2049, 53, 22
METADATA = ("169.254.169.254", "169.254.170.2", "fd00:ec2::254")
IN_THE_VPC = ("10.40.3.7", "2001:db8:40::7")
ELSEWHERE = ("203.0.113.5", "2001:db8:99::5")


@pytest.fixture
def networks(booted: Booted) -> Iterator[Networks]:
    """Everybody listens, and nothing is filtered yet."""
    uplink = re.search('uplinks { "([^"]+)"', booted.machine.text("/etc/flotilla/firewall-here.nft"))
    assert uplink is not None
    with connected_networks(uplink=uplink[1]) as networks, ExitStack() as listening:
        for server in (
            *networks.listen(networks.outside, HTTP, POSTGRESQL, NFS, NAMES),
            *networks.listen(networks.machine, SSH),
            *networks.listen(networks.container, HTTP),
        ):
            listening.enter_context(server)
        yield networks


@pytest.fixture
def filtered(networks: Networks, booted: Booted) -> Networks:
    """The same, with the machine's firewall in force."""
    _on_machine(networks, booted, "nft", "--file", "/etc/flotilla/firewall.nft")
    return networks


def _on_machine(networks: Networks, booted: Booted, *command: str) -> None:
    """Runs a program of the booted machine's root in the machine's network."""
    order = ["ip", "netns", "exec", networks.machine, "chroot", str(booted.machine.root), *command]
    finished = subprocess.run(order, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_without_the_firewall_a_container_would_reach_all_of_it(networks: Networks) -> None:
    for address in (*METADATA, *IN_THE_VPC, *ELSEWHERE):
        assert networks.reaches(networks.container, address, HTTP), address
    assert networks.reaches(networks.container, MACHINE_BRIDGE, SSH)


@pytest.mark.parametrize("address", METADATA)
def test_a_container_is_refused_the_metadata_at_once(filtered: Networks, address: str) -> None:
    assert not filtered.reaches(filtered.container, address, HTTP)


@pytest.mark.parametrize("address", IN_THE_VPC)
@pytest.mark.parametrize("port", [POSTGRESQL, NFS])
def test_a_container_is_refused_the_database_and_the_file_system(filtered: Networks, address: str, port: int) -> None:
    assert not filtered.reaches(filtered.container, address, port)


@pytest.mark.parametrize("address", [MACHINE_BRIDGE, MACHINE_UPLINK])
def test_a_container_is_refused_the_machine_itself(filtered: Networks, address: str) -> None:
    assert not filtered.reaches(filtered.container, address, SSH)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_container_reaches_everybody_else(filtered: Networks, address: str) -> None:
    assert filtered.reaches(filtered.container, address, HTTP)


def test_a_container_may_ask_for_names_where_the_vpc_answers(filtered: Networks) -> None:
    for address in IN_THE_VPC:
        assert filtered.reaches(filtered.container, address, NAMES)


def test_the_machine_itself_reaches_all_of_it_and_its_containers(filtered: Networks) -> None:
    for address in (*METADATA, *IN_THE_VPC, *ELSEWHERE):
        assert filtered.reaches(filtered.machine, address, HTTP), address
    assert filtered.reaches(filtered.machine, CONTAINER, HTTP)


def test_the_firewall_outlives_what_an_engine_does_to_its_own_rules(filtered: Networks, booted: Booted) -> None:
    _on_machine(filtered, booted, "iptables", "--policy", "FORWARD", "ACCEPT")
    _on_machine(filtered, booted, "iptables", "--insert", "FORWARD", "--jump", "ACCEPT")
    assert not filtered.reaches(filtered.container, METADATA[0], HTTP)
    _on_machine(filtered, booted, "iptables", "--flush")
    assert not filtered.reaches(filtered.container, METADATA[0], HTTP)


def test_the_firewall_can_be_put_in_force_again(filtered: Networks, booted: Booted) -> None:
    _on_machine(filtered, booted, "nft", "--file", "/etc/flotilla/firewall.nft")
    assert not filtered.reaches(filtered.container, METADATA[0], HTTP)
    assert filtered.reaches(filtered.container, ELSEWHERE[0], HTTP)
