"""What the worker group and its machines promise."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from flotilla.scaling import BOOT_SECONDS
from tests.cdk.templates import Json, Templates, synthesized

if TYPE_CHECKING:
    from cdk.stage import Stage


@pytest.fixture(scope="session")
def group(templates: Templates) -> Json:
    """The group's properties."""
    return templates.only("AWS::AutoScaling::AutoScalingGroup").properties


@pytest.fixture(scope="session")
def machines(templates: Templates) -> list[Json]:
    """What each launch template says."""
    found = templates.of_type("AWS::EC2::LaunchTemplate")
    assert len(found) == 2
    return [template.properties["LaunchTemplateData"] for template in found]


def test_the_group_goes_from_none_to_ten_and_no_deployment_says_how_many_there_are(group: Json) -> None:
    assert (group["MinSize"], group["MaxSize"]) == ("0", "10")
    assert "DesiredCapacity" not in group


def test_a_new_worker_is_protected_from_every_scale_in_but_its_own(group: Json) -> None:
    assert group["NewInstancesProtectedFromScaleIn"] is True


def test_workers_are_spot_of_whichever_types_last_without_a_maximum_price(group: Json) -> None:
    spread = group["MixedInstancesPolicy"]["InstancesDistribution"]
    assert spread["OnDemandBaseCapacity"] == spread["OnDemandPercentageAboveBaseCapacity"] == 0
    assert spread["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert "SpotMaxPrice" not in spread
    assert group["CapacityRebalance"] is True


def test_the_default_type_comes_first_of_ten_or_more_that_are_alike(group: Json) -> None:
    types = [override["InstanceType"] for override in group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]]
    assert types[0] == "t3.2xlarge"
    assert len(types) >= 10
    assert all(name.endswith(".2xlarge") and name[0] in "tm" for name in types)


def test_no_instance_is_ended_for_its_age_or_for_a_new_template(group: Json, templates: Templates) -> None:
    assert "MaxInstanceLifetime" not in group
    policy = templates.only("AWS::AutoScaling::AutoScalingGroup").whole["UpdatePolicy"]
    assert not {"AutoScalingRollingUpdate", "AutoScalingReplacingUpdate", "AutoScalingInstanceRefresh"} & set(policy)


def test_zones_are_not_rebalanced_and_the_group_is_emptied_before_it_is_deleted(templates: Templates) -> None:
    errands = templates.only("Custom::FlotillaGroupErrands")
    group = templates.only("AWS::AutoScaling::AutoScalingGroup").logical_id
    handler = templates.named("AWS::Lambda::Function", "Drain")
    assert errands.properties["ServiceToken"] == {"Fn::GetAtt": [handler.logical_id, "Arn"]}
    assert handler.properties["Handler"] == "lambdas.drain_fleet.handler"
    assert group in errands.whole["DependsOn"]  # made after the group, and so deleted before it


def test_nothing_makes_the_group_grow_while_it_is_emptied(templates: Templates) -> None:
    errands = templates.only("Custom::FlotillaGroupErrands").logical_id
    for policy in templates.of_type("AWS::AutoScaling::ScalingPolicy"):
        assert errands in policy.whole["DependsOn"]


def test_a_health_check_waits_longer_than_a_boot_may_take(group: Json) -> None:
    assert group["HealthCheckGracePeriod"] > BOOT_SECONDS


def test_a_terminating_worker_is_waited_for_as_long_as_it_says_so(templates: Templates) -> None:
    hook = templates.only("AWS::AutoScaling::LifecycleHook").properties
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert hook["DefaultResult"] == "CONTINUE"
    assert hook["HeartbeatTimeout"] == 300


def test_the_metadata_of_an_instance_is_out_of_reach_for_its_containers(machines: list[Json]) -> None:
    for machine in machines:
        assert machine["MetadataOptions"]["HttpTokens"] == "required"
        assert machine["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_the_root_volume_is_encrypted_and_large_enough_for_sixty_trials(machines: list[Json]) -> None:
    for machine in machines:
        (volume,) = [mapping["Ebs"] for mapping in machine["BlockDeviceMappings"]]
        assert volume["Encrypted"] is True
        assert volume["VolumeType"] == "gp3"
        assert volume["VolumeSize"] >= 200


def test_a_machine_that_powers_itself_off_is_gone(machines: list[Json]) -> None:
    assert {machine["InstanceInitiatedShutdownBehavior"] for machine in machines} == {"terminate"}


def test_only_burstable_types_are_told_how_to_spend_cpu_credits(templates: Templates, group: Json) -> None:
    burstable = templates.named("AWS::EC2::LaunchTemplate", "MachineBurstable")
    steady = templates.named("AWS::EC2::LaunchTemplate", "MachineSteady")
    assert burstable.properties["LaunchTemplateData"]["CreditSpecification"] == {"CpuCredits": "unlimited"}
    assert "CreditSpecification" not in steady.properties["LaunchTemplateData"]
    for override in group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]:
        template = override.get("LaunchTemplateSpecification", {}).get("LaunchTemplateId")
        assert (template == {"Ref": burstable.logical_id}) == override["InstanceType"].startswith("t3")


def test_no_rule_lets_anybody_call_a_worker(templates: Templates) -> None:
    workers = templates.named("AWS::EC2::SecurityGroup", "NetworkWorkers")
    assert "SecurityGroupIngress" not in workers.properties
    for rule in templates.of_type("AWS::EC2::SecurityGroupIngress"):
        assert rule.properties["GroupId"] != {"Fn::GetAtt": [workers.logical_id, "GroupId"]}


def test_capacity_and_credits_are_what_the_configuration_says(make_stage: "Callable[..., Stage]") -> None:
    from cdk.configuration import CpuCredits  # noqa: PLC0415

    differing: dict[str, Any] = {"min_workers": 1, "max_workers": 4, "on_demand_base": 1, "on_demand_percentage": 25}
    changed = synthesized(make_stage(**differing, cpu_credits=CpuCredits.STANDARD, slots=20, machine_image="ami-1a2b"))
    group = changed.only("AWS::AutoScaling::AutoScalingGroup").properties
    assert (group["MinSize"], group["MaxSize"]) == ("1", "4")
    spread = group["MixedInstancesPolicy"]["InstancesDistribution"]
    assert (spread["OnDemandBaseCapacity"], spread["OnDemandPercentageAboveBaseCapacity"]) == (1, 25)
    machine = changed.named("AWS::EC2::LaunchTemplate", "MachineBurstable").properties["LaunchTemplateData"]
    assert machine["CreditSpecification"] == {"CpuCredits": "standard"}
    assert machine["ImageId"] == "ami-1a2b"
