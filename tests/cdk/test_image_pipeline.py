"""The option to bake the workers' image: what it promises when it is on, and that nothing of it exists by default."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cdk.image_component import render_image_component
from cdk.worker_runtime import digest
from tests.cdk.templates import Json, Templates, as_list, synthesized
from tests.cdk.test_static_checks import ROOT, _nag_report

if TYPE_CHECKING:
    from cdk.cargo import Cargo
    from cdk.stage import Stage

BUILDER = "AWS::ImageBuilder::"
TAG = {"flotilla:stage": "test"}


@pytest.fixture(scope="session")
def baking(make_stage: "Callable[..., Stage]") -> Templates:
    """The templates of a stage that bakes images."""
    return synthesized(make_stage(image_pipeline=True))


@pytest.fixture(scope="session")
def recipe(baking: Templates) -> Json:
    """The recipe's properties."""
    return baking.only(f"{BUILDER}ImageRecipe").properties


@pytest.fixture(scope="session")
def place(baking: Templates) -> Json:
    """The properties of where images are made."""
    return baking.only(f"{BUILDER}InfrastructureConfiguration").properties


def test_by_default_nothing_of_it_exists(templates: Templates) -> None:
    assert not [one for one in templates.all() if one.whole["Type"].startswith(BUILDER)]
    assert not [one for one in templates.all() if one.logical_id.startswith("Images")]


def test_it_changes_nothing_that_is_there_without_it(templates: Templates, baking: Templates) -> None:
    for stack, template in templates.stacks.items():
        now = baking.stacks[stack]["Resources"]
        assert {name: now[name] for name in template["Resources"]} == template["Resources"]
        added = now.keys() - template["Resources"].keys()
        assert all(stack == "workers" and name.startswith("Images") for name in added)


def test_what_is_baked_is_the_runtime_that_workers_boot(baking: Templates, cargo: "Cargo") -> None:
    component = baking.only(f"{BUILDER}Component")
    parts = component.properties["Data"]["Fn::Join"][1]
    document = yaml.safe_load("".join(part if isinstance(part, str) else "BUCKET" for part in parts))
    (download,) = document["phases"][0]["steps"][0]["inputs"]
    key = download["source"].removeprefix("s3://BUCKET/")
    expected = render_image_component(bucket="BUCKET", key=key, sha256=digest(cargo.runtime))
    assert document == yaml.safe_load(expected)
    user_data = str(baking.of_type("AWS::EC2::LaunchTemplate")[0].properties["LaunchTemplateData"]["UserData"])
    assert key in user_data


def test_the_parent_is_the_newest_image_of_the_release_at_every_build(recipe: Json) -> None:
    assert recipe["ParentImage"].startswith("ssm:/aws/service/canonical/ubuntu/server/24.04/")


def test_the_image_is_encrypted_and_fits_into_the_smallest_volume_of_a_worker(recipe: Json) -> None:
    (mapping,) = recipe["BlockDeviceMappings"]
    assert mapping["DeviceName"] == "/dev/sda1"
    assert mapping["Ebs"]["Encrypted"] is mapping["Ebs"]["DeleteOnTermination"] is True
    assert mapping["Ebs"]["VolumeSize"] <= 30


def test_another_parent_makes_another_recipe_since_none_can_be_changed(
    make_stage: "Callable[..., Stage]", recipe: Json
) -> None:
    other = synthesized(make_stage(image_pipeline=True, machine_image="ami-1a2b3c4d"))
    changed = other.only(f"{BUILDER}ImageRecipe").properties
    assert changed["ParentImage"] == "ami-1a2b3c4d"
    assert changed["Name"] != recipe["Name"]
    assert changed["Version"] == recipe["Version"]


def test_images_are_made_where_the_metadata_is_guarded_and_nothing_is_left_behind(place: Json) -> None:
    assert place["InstanceMetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert place["TerminateInstanceOnFailure"] is True
    assert "KeyPair" not in place


def test_the_machine_calls_out_for_packages_and_nobody_calls_it(baking: Templates, place: Json) -> None:
    group = baking.named("AWS::EC2::SecurityGroup", "Images")
    assert place["SecurityGroupIds"] == [{"Fn::GetAtt": [group.logical_id, "GroupId"]}]
    assert "SecurityGroupIngress" not in group.properties
    assert {rule["ToPort"] for rule in group.properties["SecurityGroupEgress"]} == {80, 443}
    assert not [rule for rule in baking.of_type("AWS::EC2::SecurityGroupIngress") if group.logical_id in str(rule)]


def test_the_machine_reads_one_archive_and_has_none_of_a_workers_permissions(baking: Templates) -> None:
    expected = {"s3:GetObject", "s3:ListBucket", "imagebuilder:GetComponent", "ssm:UpdateInstanceInformation"}
    rest = baking.actions("ImagesRole") - expected
    assert {action for action in rest if not action.startswith(("ssmmessages:", "ec2messages:"))} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    everything = [one for one in baking.statements("ImagesRole") if one["Resource"] == "*"]
    assert {action.split(":")[0] for one in everything for action in as_list(one["Action"])} == {
        "ssmmessages",
        "ec2messages",
    }
    assert "ManagedPolicyArns" not in baking.named("AWS::IAM::Role", "ImagesRole").properties


def test_an_image_stays_in_its_account_and_region(baking: Templates) -> None:
    (copies,) = baking.only(f"{BUILDER}DistributionConfiguration").properties["Distributions"]
    assert copies["Region"] == "us-east-1"
    assert not {"LaunchPermissionConfiguration", "TargetAccountIds"} & set(copies["AmiDistributionConfiguration"])


def test_it_is_built_once_a_week_if_there_is_a_new_parent_until_it_fails_again_and_again(baking: Templates) -> None:
    schedule = baking.only(f"{BUILDER}ImagePipeline").properties["Schedule"]
    assert schedule["ScheduleExpression"] == "cron(0 4 ? * mon *)"
    assert schedule["PipelineExecutionStartCondition"] == "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"
    assert schedule["AutoDisablePolicy"] == {"FailureCount": 3}


def test_its_logs_go_where_image_builder_may_write_and_are_not_kept_for_ever(baking: Templates) -> None:
    group = baking.named("AWS::Logs::LogGroup", "ImagesLogs")
    assert group.properties["LogGroupName"].startswith("/aws/imagebuilder/")
    assert group.properties["RetentionInDays"] == 30
    logging = baking.only(f"{BUILDER}ImagePipeline").properties["LoggingConfiguration"]
    assert set(logging) == {"ImageLogGroupName", "PipelineLogGroupName"}
    assert all(name == {"Ref": group.logical_id} for name in logging.values())


def test_all_of_it_bears_the_stages_tag_also_what_image_builder_makes(baking: Templates, place: Json) -> None:
    resources = [one for one in baking.all() if one.whole["Type"].startswith(BUILDER)]
    assert len(resources) == 5
    assert all(one.properties["Tags"] == TAG for one in resources)
    (copies,) = baking.only(f"{BUILDER}DistributionConfiguration").properties["Distributions"]
    assert copies["AmiDistributionConfiguration"]["AmiTags"] == TAG
    assert place["ResourceTags"] == baking.only(f"{BUILDER}ImagePipeline").properties["ImageTags"] == TAG


def test_workers_start_from_a_baked_image_and_the_next_one_is_not_baked_upon_it(
    make_stage: "Callable[..., Stage]", recipe: Json
) -> None:
    baked = synthesized(make_stage(image_pipeline=True, baked_image="ami-0ba4ed0ba4ed0ba4e"))
    machines = [one.properties["LaunchTemplateData"] for one in baked.of_type("AWS::EC2::LaunchTemplate")]
    assert {machine["ImageId"] for machine in machines} == {"ami-0ba4ed0ba4ed0ba4e"}
    assert baked.only(f"{BUILDER}ImageRecipe").properties == recipe


def test_a_baked_image_can_be_named_by_a_parameter(make_stage: "Callable[..., Stage]") -> None:
    baked = synthesized(make_stage(baked_image="/flotilla/test/image"))
    machine: Any = baked.named("AWS::EC2::LaunchTemplate", "MachineSteady").properties["LaunchTemplateData"]
    parameter = baked.stacks["workers"]["Parameters"][machine["ImageId"]["Ref"]]
    assert parameter == {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": "/flotilla/test/image"}


@pytest.mark.parametrize(
    "wrong",
    [{"baked_image": "ubuntu"}, {"baked_image": "ami-0ba4ed"}, {"baked_image": ""}, {"image_pipeline": "perhaps"}],
)
@pytest.mark.usefixtures("our_node")
def test_what_names_no_image_and_what_is_neither_on_nor_off_is_refused(wrong: dict[str, str]) -> None:
    from cdk.configuration import ConfigurationFault, read  # noqa: PLC0415

    (field,) = wrong
    with pytest.raises(ConfigurationFault, match=rf"^{field} cannot be .*; correct it"):
        read(wrong, {})


@pytest.mark.usefixtures("our_node")
def test_the_command_line_turns_it_on() -> None:
    from cdk.configuration import read  # noqa: PLC0415

    chosen = read({"image_pipeline": "true", "baked_image": "ami-0ba4ed0ba4ed0ba4e"}, {})
    assert (chosen.image_pipeline, chosen.baked_image) == (True, "ami-0ba4ed0ba4ed0ba4e")


@pytest.mark.parametrize("account", [None, "123456789012"])
def test_cdk_nag_finds_nothing_that_is_not_explained(make_stage: "Callable[..., Stage]", account: str | None) -> None:
    report = _nag_report(make_stage(image_pipeline=True, account=account))
    assert [violation["ruleName"] for violation in report["violations"]] == []


def test_cfn_lint_finds_nothing(baking: Templates) -> None:
    files = sorted(str(path) for path in baking.directory.glob("*.template.json"))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "us-east-1", "--template", *files]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
