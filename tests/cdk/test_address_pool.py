"""The addresses of containers: enough of them, and none that is the VPC's."""

from ipaddress import IPv4Network

import pytest

from cdk.address_pool import DEFAULT_POOL, AddressPool, address_pool_faults


def faults(base: str, *, prefix: int, vpc: str = "10.40.0.0/16", slots: int = 60) -> list[str]:
    pool = AddressPool(base=IPv4Network(base), network_prefix=prefix)
    return list(address_pool_faults(pool, vpc=IPv4Network(vpc), slots=slots))


def test_the_default_gives_4096_networks_beside_the_default_vpc() -> None:
    assert DEFAULT_POOL.networks == 4096
    assert not list(address_pool_faults(DEFAULT_POOL, vpc=IPv4Network("10.40.0.0/16"), slots=60))


@pytest.mark.parametrize("vpc", ["10.128.0.0/16", "10.143.240.0/20", "10.0.0.0/8"])
def test_a_pool_that_overlaps_the_vpc_is_refused(vpc: str) -> None:
    (fault,) = faults("10.128.0.0/12", prefix=24, vpc=vpc)
    assert fault.startswith(f"docker_pool 10.128.0.0/12 overlaps vpc_cidr {vpc}")


@pytest.mark.parametrize("vpc", ["10.127.0.0/16", "10.144.0.0/16"])
def test_a_vpc_right_beside_the_pool_is_taken(vpc: str) -> None:
    assert faults("10.128.0.0/12", prefix=24, vpc=vpc) == []


def test_a_pool_of_fewer_networks_is_refused() -> None:
    (fault,) = faults("10.128.0.0/13", prefix=24)
    assert "gives 2048 networks" in fault
    assert "10.128.0.0/12 with docker_network_prefix 24" in fault


@pytest.mark.parametrize(("prefix", "room"), [(28, 13), (26, 61)])
def test_networks_too_small_for_a_workers_flat_trials_are_refused(prefix: int, room: int) -> None:
    (fault,) = faults("10.128.0.0/12", prefix=prefix)
    assert f"leaves room for {room} containers in a network, and 60 slots want 120" in fault


def test_addresses_of_others_are_refused() -> None:
    (fault,) = faults("11.0.0.0/12", prefix=24)
    assert "is not private" in fault
