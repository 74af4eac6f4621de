"""What cannot be built stops the synth with one sentence that names the field and the mend."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cdk.configuration import Configuration

pytestmark = pytest.mark.usefixtures("our_node")

IMPOSSIBLE = [
    ({"cpu_overcommit": 0.5}, "cpu_overcommit"),
    ({"memory_overcommit": 0}, "memory_overcommit"),
    ({"storage_overcommit": 101}, "storage_overcommit"),
    ({"stage": ""}, "stage"),
    ({"stage": "Prod"}, "stage"),
    ({"stage": "7seas"}, "stage"),
    ({"stage": "a-b"}, "stage"),
    ({"stage": "thirteenchars"}, "stage"),
    ({"region": "moon-north-1"}, "region"),
    ({"zones": "us-east-1a"}, "zones"),
    ({"zones": "us-east-1a,eu-west-1b"}, "zones"),
    ({"endpoint_zones": 4}, "endpoint_zones"),
    ({"vpc_cidr": "10.0.0.0/8"}, "vpc_cidr"),
    ({"vpc_cidr": "ten"}, "vpc_cidr"),
    ({"vpc_cidr": "10.128.0.0/16"}, "docker_pool"),
    ({"docker_pool": "10.32.0.0/12"}, "docker_pool"),
    ({"docker_pool": "11.0.0.0/12"}, "docker_pool"),
    ({"docker_network_prefix": 20}, "docker_pool"),
    ({"docker_network_prefix": 28}, "docker_network_prefix"),
    ({"slots": 0}, "slots"),
    ({"slots": "-1"}, "slots"),
    ({"slots": "many"}, "slots"),
    ({"slots": 1000}, "docker_network_prefix"),
    ({"min_workers": -1}, "min_workers"),
    ({"min_workers": 3, "max_workers": 2}, "max_workers"),
    ({"max_workers": 0}, "max_workers"),
    ({"on_demand_percentage": 101}, "on_demand_percentage"),
    ({"on_demand_base": 11}, "on_demand_base"),
    ({"instance_types": ()}, "instance_types"),
    ({"instance_types": "t3.2xlarge,x9.huge"}, "instance_types"),
    ({"instance_types": "t3.2xlarge,c5.2xlarge"}, "instance_types"),
    ({"instance_types": "t3.2xlarge,m5.4xlarge"}, "instance_types"),
    ({"cpu_credits": "infinite"}, "cpu_credits"),
    ({"volume_gib": 8}, "volume_gib"),
    ({"volume_throughput": 5000}, "volume_throughput"),
    ({"database_class": "t4g.nano"}, "database_class"),
    ({"database_connections": 100}, "database_connections"),
    ({"database_connections": 4000}, "database_connections"),
    ({"max_workers": 40}, "database_connections"),
    ({"api_concurrency": 200}, "database_connections"),
    ({"api_concurrency": 0}, "api_concurrency"),
    ({"database_gib": 5}, "database_gib"),
    ({"api_burst": 1}, "api_burst"),
    ({"domain_name": "runs.example.org"}, "domain_name"),
    ({"hosted_zone_id": "Z1"}, "hosted_zone_id"),
    ({"hosted_zone_id": "Z1", "hosted_zone_name": "example.org"}, "hosted_zone_id"),
    ({"jwt_issuer": "https://example.org"}, "jwt_issuer"),
    ({"log_days": 31}, "log_days"),
]


@pytest.mark.parametrize(("context", "field"), IMPOSSIBLE, ids=str)
def test_what_cannot_be_built_is_refused_by_its_field_and_with_a_mend(context: dict[str, Any], field: str) -> None:
    from cdk.configuration import ConfigurationFault  # noqa: PLC0415

    with pytest.raises(ConfigurationFault) as refused:
        _configured(context)
    sentence = str(refused.value)
    assert sentence.startswith(field)
    assert ":" in sentence
    assert "\n" not in sentence


def test_the_defaults_can_be_built() -> None:
    from cdk.configuration import Configuration  # noqa: PLC0415

    assert _configured({}) == Configuration()


def test_a_stage_has_its_own_values_and_the_command_line_has_the_last_word() -> None:
    stages = {"prod": {"max_workers": 8, "slots": 30, "nat": True}, "dev": {"max_workers": 1}}
    prod = _configured({"stage": "prod", "max_workers": "5", "zones": "us-east-1a, us-east-1d"}, stages)
    assert (prod.stage, prod.max_workers, prod.slots, prod.nat) == ("prod", 5, 30, True)
    assert prod.zones == ("us-east-1a", "us-east-1d")
    assert prod.group == "flotilla-prod-workers"


def test_a_misspelt_field_of_a_stage_is_refused() -> None:
    from cdk.configuration import ConfigurationFault  # noqa: PLC0415

    with pytest.raises(ConfigurationFault, match="max_worker is no field"):
        _configured({}, {"dev": {"max_worker": 3}})


def test_every_field_is_named_in_the_instructions_for_deploying() -> None:
    from cdk.configuration import NAMES  # noqa: PLC0415

    told = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    assert {name for name in NAMES if f"`{name}`" not in told} == set()


def _configured(context: dict[str, Any], stages: dict[str, dict[str, Any]] | None = None) -> "Configuration":
    from cdk.configuration import read  # noqa: PLC0415
    from cdk.feasibility import require  # noqa: PLC0415

    return require(read(context, stages or {}))
