"""Who can reach whom."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.cdk.templates import Json, Templates, synthesized

if TYPE_CHECKING:
    from cdk.stage import Stage

POSTGRESQL, NFS, HTTPS = 5432, 2049, 443


def test_database_and_files_are_reached_by_workers_and_functions_alone(templates: Templates) -> None:
    both = {_group(templates, "NetworkWorkers"), _group(templates, "NetworkFunctionCode")}
    assert _callers(templates, "NetworkDatabase", POSTGRESQL) == both
    assert _callers(templates, "NetworkFiles", NFS) == both
    assert _callers(templates, "NetworkEndpoints", HTTPS) == {_group(templates, "NetworkFunctionCode")}
    assert len(templates.of_type("AWS::EC2::SecurityGroupIngress")) == 5


def test_no_security_group_lets_in_an_address(templates: Templates) -> None:
    for group in templates.of_type("AWS::EC2::SecurityGroup"):
        assert "SecurityGroupIngress" not in group.properties
    for rule in templates.of_type("AWS::EC2::SecurityGroupIngress"):
        assert "CidrIp" not in rule.properties


def test_functions_and_database_have_no_way_to_the_internet(templates: Templates) -> None:
    isolated = {
        resource.logical_id
        for resource in templates.of_type("AWS::EC2::RouteTable")
        if "isolated" in resource.logical_id
    }
    assert len(isolated) == 3
    for route in templates.of_type("AWS::EC2::Route"):
        assert route.properties["RouteTableId"]["Ref"] not in isolated


def test_functions_reach_what_they_call_without_it(templates: Templates) -> None:
    endpoints = templates.of_type("AWS::EC2::VPCEndpoint")
    names = {str(endpoint.properties["ServiceName"]).rstrip("}]'\"").rsplit(".", 1)[1] for endpoint in endpoints}
    assert names == {"s3", "secretsmanager", "sqs", "lambda", "monitoring", "autoscaling"}


def test_workers_are_in_public_subnets_unless_a_gateway_is_asked_for(
    make_stage: "Callable[..., Stage]", templates: Templates
) -> None:
    group = templates.only("AWS::AutoScaling::AutoScalingGroup").properties
    assert all("public" in str(subnet) for subnet in group["VPCZoneIdentifier"])
    assert not templates.of_type("AWS::EC2::NatGateway")
    behind = synthesized(make_stage(nat=True))
    assert len(behind.of_type("AWS::EC2::NatGateway")) == 1
    group = behind.only("AWS::AutoScaling::AutoScalingGroup").properties
    assert all("private" in str(subnet) for subnet in group["VPCZoneIdentifier"])


def _group(templates: Templates, begin: str) -> str:
    return templates.named("AWS::EC2::SecurityGroup", begin).logical_id


def _callers(templates: Templates, begin: str, port: int) -> set[str]:
    called = {"Fn::GetAtt": [_group(templates, begin), "GroupId"]}
    rules: list[Json] = [rule.properties for rule in templates.of_type("AWS::EC2::SecurityGroupIngress")]
    return {
        rule["SourceSecurityGroupId"]["Fn::GetAtt"][0]
        for rule in rules
        if rule["GroupId"] == called and rule["FromPort"] == rule["ToPort"] == port
    }
