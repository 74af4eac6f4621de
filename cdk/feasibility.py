"""Whether a configuration can be built: each check returns one sentence, with the field and the mend, or nothing."""

import re
from collections.abc import Callable, Iterator

from cdk import database_authority
from cdk.address_pool import AddressPool, address_pool_faults
from cdk.configuration import Configuration, ConfigurationFault
from cdk.instance_types import DATABASE_CLASSES, WORKER_TYPES
from cdk.log_retention import KEPT_FOR

STAGE_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")  # it is a part of resource names, some of which must be short
CONNECTIONS_PER_WORKER = 5
CONNECTIONS_OF_OTHERS = 10  # pulse, dead letters, migration, and somebody who looks
CONNECTIONS_SHARE = 0.8  # PostgreSQL keeps some for itself, and a deployment runs old and new side by side
BYTES_PER_CONNECTION = 9_531_392  # how RDS itself divides a class's memory
MEMORY_FOR_DATABASE = 0.9  # of a class's memory; the rest is the operating system's
GIB = 2**30

Faults = Iterator[str]


def require(configuration: Configuration) -> Configuration:
    """The same configuration. Raises ConfigurationFault with the first thing that cannot be built."""
    for check in CHECKS:
        for fault in check(configuration):
            raise ConfigurationFault(fault)
    return configuration


MOST_OVERCOMMIT = 100
"""Times; beyond it nothing is held back any more."""


def _names(c: Configuration) -> Faults:
    if not STAGE_NAME.fullmatch(c.stage):
        yield f"stage cannot be {c.stage!r}: take up to 12 lower-case letters and digits, a letter first"
    if c.region not in database_authority.regions():
        yield f"region {c.region} has no certificate authority in cdk/database_authorities.pem: add it there, from AWS"
    if len(set(c.zones)) < 2:
        yield f"zones names {len(set(c.zones))} zone, and a database wants subnets in two: name at least two"
    for zone in c.zones:
        if not zone.startswith(c.region):
            yield f"zones names {zone}, which is not in {c.region}: name zones of the region"
    if not 1 <= c.endpoint_zones <= len(c.zones):
        yield f"endpoint_zones is {c.endpoint_zones}: take 1 to {len(c.zones)}, of the zones there are"


def _addresses(c: Configuration) -> Faults:
    if not 16 <= c.vpc_cidr.prefixlen <= 20:
        yield f"vpc_cidr is a /{c.vpc_cidr.prefixlen}: take a /16 to /20"
    pool = AddressPool(base=c.docker_pool, network_prefix=c.docker_network_prefix)
    yield from address_pool_faults(pool, vpc=c.vpc_cidr, slots=c.slots)


def _workers(c: Configuration) -> Faults:
    if c.slots < 1:
        yield f"slots is {c.slots}: a worker needs at least 1"
    if c.min_workers < 0:
        yield f"min_workers is {c.min_workers}: take 0 or more"
    if c.max_workers < max(1, c.min_workers):
        yield f"max_workers is {c.max_workers}: take at least 1, and no less than min_workers, which is {c.min_workers}"
    if not 0 <= c.on_demand_percentage <= 100:
        yield f"on_demand_percentage is {c.on_demand_percentage}: take 0 to 100"
    if not 0 <= c.on_demand_base <= c.max_workers:
        yield f"on_demand_base is {c.on_demand_base}: take 0 to max_workers, which is {c.max_workers}"
    if c.volume_gib < 30:
        yield f"volume_gib is {c.volume_gib}: take at least 30, since images and containers live there"
    if not 125 <= c.volume_throughput <= 1000:
        yield f"volume_throughput is {c.volume_throughput}: a gp3 volume has 125 to 1000 MiB a second"


def _promises(c: Configuration) -> Faults:
    for resource in ("cpu", "memory", "storage"):
        overcommit = getattr(c, f"{resource}_overcommit")
        if not 1 <= overcommit <= MOST_OVERCOMMIT:
            yield f"{resource}_overcommit is {overcommit:g}: take 1 (no more than there is) to {MOST_OVERCOMMIT}"


def _instance_types(c: Configuration) -> Faults:
    if not c.instance_types:
        yield "instance_types is empty: name at least one type"
    for name in c.instance_types:
        if name not in WORKER_TYPES:
            yield f"instance_types names {name}, which is unknown: correct it, or add it to cdk/instance_types.py"
            return
    machines = [WORKER_TYPES[name] for name in c.instance_types]
    for name, machine in zip(c.instance_types, machines, strict=True):
        if machine != machines[0]:
            like = f"{machine.vcpus} vCPU and {machine.memory_gib} GiB, unlike {c.instance_types[0]}"
            yield f"instance_types names {name} with {like}, where a slot would mean something else: take types alike"


def connections_needed(c: Configuration) -> int:
    """The most database connections that the stage can hold at once."""
    return c.api_concurrency + CONNECTIONS_PER_WORKER * c.max_workers + CONNECTIONS_OF_OTHERS


def _database(c: Configuration) -> Faults:
    if c.database_class not in DATABASE_CLASSES:
        yield f"database_class {c.database_class} is unknown: take one of {', '.join(DATABASE_CLASSES)}"
        return
    most = int(DATABASE_CLASSES[c.database_class].memory_gib * GIB * MEMORY_FOR_DATABASE / BYTES_PER_CONNECTION)
    if c.database_connections > most:
        yield f"database_connections is {c.database_connections}, but {c.database_class} bears {most}: take another"
    if c.api_concurrency < 1:
        yield f"api_concurrency is {c.api_concurrency}: take at least 1"
    needed = connections_needed(c)
    if needed > CONNECTIONS_SHARE * c.database_connections:
        sum_ = f"{c.api_concurrency} of the API, {CONNECTIONS_PER_WORKER} of each of {c.max_workers} workers"
        yield (
            f"database_connections is {c.database_connections}, and {needed} are needed at most ({sum_}, "
            f"{CONNECTIONS_OF_OTHERS} of others) of the {CONNECTIONS_SHARE:.0%} for use: raise it, or lower them"
        )
    if c.database_gib < 20:
        yield f"database_gib is {c.database_gib}: RDS wants at least 20"


def _edge(c: Configuration) -> Faults:
    if c.api_rate < 1 or c.api_burst < c.api_rate:
        yield f"api_burst is {c.api_burst} and api_rate {c.api_rate}: take a rate of 1 or more, and a burst no less"
    if (c.domain_name is None) != (c.certificate_arn is None):
        yield "domain_name and certificate_arn go together: set both or none"
    if (c.hosted_zone_id is None) != (c.hosted_zone_name is None):
        yield "hosted_zone_id and hosted_zone_name go together: set both or none"
    if c.hosted_zone_id and not c.domain_name:
        yield "hosted_zone_id is set without domain_name: set it too"
    if (c.jwt_issuer is None) != (not c.jwt_audience):
        yield "jwt_issuer and jwt_audience go together: set both or none"
    if c.log_days not in KEPT_FOR:
        yield f"log_days is {c.log_days}, which CloudWatch does not offer: take one of {', '.join(map(str, KEPT_FOR))}"


CHECKS: tuple[Callable[[Configuration], Faults], ...] = (
    _names,
    _addresses,
    _workers,
    _promises,
    _instance_types,
    _database,
    _edge,
)
