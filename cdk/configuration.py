"""What a stage is configured by: one typed value, read from the CDK context (cdk.json, or -c NAME=VALUE)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError

from cdk.address_pool import DEFAULT_POOL
from cdk.user_data import MACHINE_IMAGE_PARAMETER

VPC = IPv4Network("10.40.0.0/16")
ImageName = Annotated[str, StringConstraints(pattern=r"^(ami-([0-9a-f]{8}|[0-9a-f]{17})|/[A-Za-z0-9_./-]+)$")]
"""The id of a machine image, or an SSM parameter that names one."""


class ConfigurationFault(ValueError):
    """A stage cannot be built as configured; the message is one sentence that names the field and the mend."""


class CpuCredits(StrEnum):
    """What a burstable worker does when its CPU credits are used up."""

    STANDARD = "standard"
    """It slows down to its baseline, 40 % of a t3.2xlarge, which distorts results; it never costs more."""
    UNLIMITED = "unlimited"
    """It goes on at full speed for $0.05 per vCPU and hour, up to $0.24 an hour for a t3.2xlarge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Every field is a value of the context, and of the object that `stages` of cdk.json has for the stage."""

    stage: str = "dev"
    """The fleet's name; several fleets live in one account side by side."""
    account: str | None = None
    """The AWS account; left out, it is that of the credentials which deploy."""
    region: str = "us-east-1"
    zones: tuple[str, ...] = ("us-east-1a", "us-east-1b", "us-east-1c")
    """Named here so that nothing has to be looked up at synth. More zones, more spot capacity."""

    vpc_cidr: IPv4Network = VPC
    nat: bool = False
    """Workers in private subnets behind one NAT gateway, for $33 a month and $0.045 a GB."""
    endpoint_zones: int = 1
    """In how many zones the functions have their five endpoints, each about $7.30 a month."""

    instance_types: tuple[str, ...] = (
        "t3.2xlarge",
        "t3a.2xlarge",
        "m5.2xlarge",
        "m5a.2xlarge",
        "m5d.2xlarge",
        "m5n.2xlarge",
        "m6i.2xlarge",
        "m6a.2xlarge",
        "m6id.2xlarge",
        "m7i.2xlarge",
        "m7a.2xlarge",
        "m7i-flex.2xlarge",
    )
    """In the order in which on-demand capacity takes them; spot takes the cheapest of those that last."""
    min_workers: int = 0
    max_workers: int = 10
    slots: int = 60
    """Trials at once on one worker."""
    cpu_overcommit: float = 8.0
    """How many times over a worker's CPUs may be promised to tasks that declare them; memory and storage likewise."""
    memory_overcommit: float = 4.0
    storage_overcommit: float = 8.0
    allow_host_access: bool = False
    """Whether a task's Compose file may ask for what is its host's: only where all tasks are trusted."""
    on_demand_base: int = 0
    """So many workers are never spot."""
    on_demand_percentage: int = 0
    """Of the workers beyond that, so many per cent are not spot."""
    cpu_credits: CpuCredits = CpuCredits.UNLIMITED
    volume_gib: int = 200
    """The encrypted root volume, on which Docker keeps images and containers: 3 GiB a slot, and 20 for the system."""
    volume_throughput: int = 250
    """MiB a second."""
    machine_image: str = MACHINE_IMAGE_PARAMETER
    """A public SSM parameter that names an image, or the id (`ami-…`) of one."""
    image_pipeline: bool = False
    """Bakes what a worker boots into images, from `machine_image`, once a week if that has changed."""
    baked_image: ImageName | None = None
    """One of those images, by its id or an SSM parameter that names it: workers start from it."""
    docker_pool: IPv4Network = DEFAULT_POOL.base
    """Where Docker takes the networks of a worker's containers from."""
    docker_network_prefix: int = DEFAULT_POOL.network_prefix
    """The prefix length of each of those networks: 4096 of 253 containers."""

    database_class: str = "t4g.medium"
    database_gib: int = 20
    database_multi_az: bool = False
    """A standby in another zone: twice the price, two minutes of failover in place of an hour of recovery."""
    database_connections: int = 200
    """PostgreSQL's `max_connections`."""
    deletion_protection: bool = True
    """Has to be taken off, by one more deployment, before `cdk destroy` can delete the database; a snapshot stays."""

    api_concurrency: int = 40
    """Requests at once; each may hold one database connection."""
    api_rate: int = 200
    """Requests a second, of all callers together."""
    api_burst: int = 400
    domain_name: str | None = None
    """The API's own name, with `certificate_arn`; with `hosted_zone_id` its record is made too."""
    certificate_arn: str | None = None
    hosted_zone_id: str | None = None
    hosted_zone_name: str | None = None
    jwt_issuer: str | None = None
    """Beside its API key every request needs a token of this issuer, in the header X-Identity-Token."""
    jwt_audience: tuple[str, ...] = ()

    alarm_email: str | None = None
    log_days: int = 30
    """How long logs are kept."""

    @property
    def prefix(self) -> str:
        """What the names of the stage's stacks and resources begin with."""
        return f"flotilla-{self.stage}"

    @property
    def group(self) -> str:
        """The name of the worker group: stacks that cannot refer to it need it too."""
        return f"{self.prefix}-workers"

    @property
    def leaving_hook(self) -> str:
        """The name of the hook by which the group waits for a worker that it ends."""
        return f"{self.prefix}-leaving"


NAMES = frozenset(field.name for field in fields(Configuration))


def read(context: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> Configuration:
    """The configuration of the stage that `context` names: its own values go before those of its entry in `stages`.

    Values may be strings, as -c gives them, lists with commas between. Raises ConfigurationFault.
    """
    own = stages.get(str(context.get("stage", Configuration().stage)), {})
    for name in own:
        if name not in NAMES:
            raise ConfigurationFault(
                f"{name} is no field of the configuration: see cdk/configuration.py for all of them"
            )
    values = {name: _split(name, value) for name, value in {**own, **context}.items()}
    try:
        return TypeAdapter(Configuration).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        wrong = f"{first['loc'][0]} cannot be {first['input']!r}: {first['msg']}"
        raise ConfigurationFault(f"{wrong}; correct it in cdk.json or on the command line (-c)") from None


def _split(name: str, value: Any) -> Any:
    """A list given on the command line."""
    is_list = isinstance(getattr(Configuration(), name), tuple)
    return tuple(part.strip() for part in value.split(",")) if is_list and isinstance(value, str) else value
