"""The addresses that a worker's Docker engine gives to its networks: 4096 of them, none of which is in the VPC."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

LEAST_NETWORKS = 4096  # one a trial with a Compose file, and what trials leave behind until it is cleared away
CONTAINERS_PER_SLOT = 2  # the agent's and a separate verifier's: all flat trials of a worker share one network
TAKEN_IN_A_NETWORK = 3  # its own address, its gateway's, and broadcast


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPool:
    """Where the engine takes its networks from, and the prefix length of each."""

    base: IPv4Network
    network_prefix: int

    @property
    def networks(self) -> int:
        """How many networks there are in it."""
        return int(2 ** max(self.network_prefix - self.base.prefixlen, 0))

    @property
    def containers_per_network(self) -> int:
        """How many containers one network has room for."""
        return max(int(2 ** (self.base.max_prefixlen - self.network_prefix)) - TAKEN_IN_A_NETWORK, 0)


DEFAULT_POOL = AddressPool(base=IPv4Network("10.128.0.0/12"), network_prefix=24)
"""4096 networks of 253 containers: a sixteenth of the block that private addresses have most of."""


def address_pool_faults(pool: AddressPool, *, vpc: IPv4Network, slots: int) -> Iterator[str]:
    """Why the pool cannot serve workers of so many slots in the VPC: each fault names its field and the mend."""
    if not pool.base.is_private:
        yield f"docker_pool {pool.base} is not private: containers could not reach whom it belongs to, take {_PROPER}"
    if pool.base.overlaps(vpc):
        yield (
            f"docker_pool {pool.base} overlaps vpc_cidr {vpc}, and containers could not tell the two apart: "
            "move one of them to another private range"
        )
    if pool.networks < LEAST_NETWORKS:
        yield (
            f"docker_pool {pool.base} gives {pool.networks} networks of docker_network_prefix {pool.network_prefix}, "
            f"and {LEAST_NETWORKS} are wanted: take {_PROPER}"
        )
    wanted = slots * CONTAINERS_PER_SLOT
    if pool.containers_per_network < wanted:
        yield (
            f"docker_network_prefix {pool.network_prefix} leaves room for {pool.containers_per_network} containers "
            f"in a network, and {slots} slots want {wanted}: take a shorter one in a larger docker_pool, "
            f"such as {_PROPER}"
        )


_PROPER = f"{DEFAULT_POOL.base} with docker_network_prefix {DEFAULT_POOL.network_prefix}"
