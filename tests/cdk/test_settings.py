"""What CDK writes is what the code reads."""

import importlib
import re
from dataclasses import MISSING, fields
from typing import Any

import pytest

from flotilla.settings import variable
from tests.cdk.templates import Resource, Templates
from worker_agent.settings import WorkerSettings

FUNCTIONS = {
    "Api": "lambdas.api",
    "Pulse": "lambdas.pulse",
    "DeadLetters": "lambdas.dead_letters",
    "Migrate": "lambdas.migrate_database",
    "Drain": "lambdas.drain_fleet",
}
WRITTEN_BY_THE_BOOT = {"FLOTILLA_WORKER_NAME", "AWS_REGION"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_given_the_variables_that_it_reads(templates: Templates, function: str) -> None:
    module = importlib.import_module(FUNCTIONS[function])
    properties = templates.named("AWS::Lambda::Function", f"{function}Function").properties
    assert properties["Handler"] == f"{FUNCTIONS[function]}.handler"
    _compare(set(properties["Environment"]["Variables"]), module.SETTINGS)


def test_every_function_there_is_has_its_variables_compared(templates: Templates) -> None:
    handlers = {function.properties["Handler"] for function in templates.of_type("AWS::Lambda::Function")}
    assert handlers == {f"{module}.handler" for module in FUNCTIONS.values()}


def test_a_worker_is_given_the_variables_that_it_reads(templates: Templates) -> None:
    for template in templates.of_type("AWS::EC2::LaunchTemplate"):
        written = set(re.findall(r"^ *(FLOTILLA_[A-Z_]+)=", _user_data(template), re.MULTILINE))
        _compare(written | WRITTEN_BY_THE_BOOT, WorkerSettings)


def test_pulse_and_workers_agree_on_how_many_slots_there_are(templates: Templates) -> None:
    pulse = templates.named("AWS::Lambda::Function", "PulseFunction").properties["Environment"]["Variables"]
    assert pulse["FLOTILLA_SLOTS"] == "60"
    for template in templates.of_type("AWS::EC2::LaunchTemplate"):
        assert "FLOTILLA_SLOTS='60'" in _user_data(template)


def test_a_worker_knows_the_group_that_it_leaves_and_the_hook_that_it_keeps(templates: Templates) -> None:
    group = templates.only("AWS::AutoScaling::AutoScalingGroup").properties["AutoScalingGroupName"]
    hook = templates.only("AWS::AutoScaling::LifecycleHook").properties["LifecycleHookName"]
    for template in templates.of_type("AWS::EC2::LaunchTemplate"):
        assert f"FLOTILLA_GROUP='{group}'" in _user_data(template)
        assert f"FLOTILLA_LIFECYCLE_HOOK='{hook}'" in _user_data(template)


def test_a_worker_looks_for_job_secrets_where_it_may_read_them(templates: Templates) -> None:
    readable = [str(one["Resource"]) for one in templates.statements("Role") if "secretsmanager" in str(one["Action"])]
    for template in templates.of_type("AWS::EC2::LaunchTemplate"):
        (prefix,) = re.findall(r"FLOTILLA_SECRETS_PREFIX='(.*)'", _user_data(template))
        assert any(f":secret:{prefix}*" in resource for resource in readable)


def _user_data(template: Resource) -> str:
    """What a machine is told, with a word in the place of what is known at deployment only."""
    pieces = template.properties["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Join"][1]
    return "".join(piece if isinstance(piece, str) else "LATER" for piece in pieces)


def _compare(written: set[str], settings: Any) -> None:
    """Everything that must be read is written, and everything that is written is read."""
    names = {variable(field): field for field in fields(settings)}
    required = {name for name, field in names.items() if field.default is MISSING and field.default_factory is MISSING}
    alternatives = {name for name, field in names.items() if field.metadata.get("unless")}
    assert written <= set(names), f"nobody reads {written - set(names)}"
    assert required <= written, f"nobody writes {required - written}"
    assert not alternatives & written, "on AWS the secret holds the address"
    assert not alternatives or "FLOTILLA_DATABASE_SECRET" in written
