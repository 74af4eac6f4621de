"""What the front end promises."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdas.pulse import LAST_TICK_SECONDS
from tests.cdk.templates import Templates, synthesized

if TYPE_CHECKING:
    from cdk.stage import Stage

FUNCTIONS = {"ApiFunction", "PulseFunction", "DeadLettersFunction", "MigrateFunction", "DrainFunction"}
LONGEST_ANSWER = 30  # seconds, of an HTTP API


def test_every_request_goes_to_the_one_function_that_knows_the_routes(templates: Templates) -> None:
    route = templates.only("AWS::ApiGatewayV2::Route").properties
    integration = templates.only("AWS::ApiGatewayV2::Integration")
    assert route["RouteKey"] == "$default"
    assert integration.logical_id in str(route["Target"])
    assert "ApiFunction" in str(integration.properties["IntegrationUri"])
    assert integration.properties["PayloadFormatVersion"] == "2.0"
    assert templates.named("AWS::Lambda::Function", "ApiFunction").properties["Timeout"] < LONGEST_ANSWER


def test_requests_are_throttled_and_logged_without_what_is_secret_in_them(templates: Templates) -> None:
    stage = templates.only("AWS::ApiGatewayV2::Stage").properties
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 400, "ThrottlingRateLimit": 200}
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"requestId", "status", "path", "ip"} <= set(logged)
    assert not any("header" in str(value).lower() for value in logged.values())


def test_the_functions_that_touch_files_mount_them_by_their_own_door(templates: Templates) -> None:
    mounted = {
        function.logical_id[:-8]
        for function in templates.of_type("AWS::Lambda::Function")
        if "FileSystemConfigs" in function.properties
    }
    assert mounted == {"ApiFunction", "PulseFunction"}
    for name in mounted:
        properties = templates.named("AWS::Lambda::Function", name).properties
        (mount,) = properties["FileSystemConfigs"]
        assert mount["LocalMountPath"] == properties["Environment"]["Variables"]["FLOTILLA_SHARED"]
        assert "FunctionsDoor" in str(mount["Arn"])


def test_no_failed_invocation_is_repeated(templates: Templates) -> None:
    configs = templates.of_type("AWS::Lambda::EventInvokeConfig")
    assert {config.properties["FunctionName"]["Ref"][:-8] for config in configs} == FUNCTIONS
    assert {config.properties["MaximumRetryAttempts"] for config in configs} == {0}


def test_the_pulse_beats_each_minute_and_has_time_for_a_last_tick_that_begins_late(templates: Templates) -> None:
    rule = templates.only("AWS::Events::Rule").properties
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Targets"]
    assert "PulseFunction" in str(target["Arn"])
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert templates.named("AWS::Lambda::Function", "PulseFunction").properties["Timeout"] >= LAST_TICK_SECONDS + 30


def test_requests_at_once_are_as_many_as_connections_were_counted_for(templates: Templates) -> None:
    api = templates.named("AWS::Lambda::Function", "ApiFunction").properties
    assert api["ReservedConcurrentExecutions"] == 40


def test_both_dead_letter_queues_are_read_and_one_bad_letter_holds_up_no_other(templates: Templates) -> None:
    sources = [source.properties for source in templates.of_type("AWS::Lambda::EventSourceMapping")]
    assert len(sources) == 2
    for source in sources:
        assert "DeadLetters" in str(source["EventSourceArn"])
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_every_function_runs_this_checkout_on_the_locked_wheels(templates: Templates) -> None:
    for function in templates.of_type("AWS::Lambda::Function"):
        assert function.properties["Runtime"] == "python3.12"
        assert function.properties["Architectures"] == ["arm64"]
        assert len(function.properties["Layers"]) == 1


def test_what_functions_are_sent_is_their_packages_and_nothing_of_workers_or_of_the_command_line(
    templates: Templates,
) -> None:
    code = templates.named("AWS::Lambda::Function", "ApiFunction").properties["Code"]["S3Key"].split(".")[0]
    asset = templates.directory / f"asset.{code}"
    assert {entry.name for entry in asset.iterdir()} == {"flotilla", "api", "lambdas"}
    assert not (asset / "flotilla" / "cli").exists()
    assert not (asset / "flotilla" / "local").exists()
    assert (asset / "flotilla" / "migrations" / "env.py").is_file()
    assert not list(asset.rglob("__pycache__"))


def test_a_name_and_tokens_of_the_operators_own_can_stand_before_the_api(make_stage: "Callable[..., Stage]") -> None:
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    api = synthesized(
        make_stage(
            domain_name="runs.example.org",
            certificate_arn=certificate,
            hosted_zone_id="Z1",
            hosted_zone_name="example.org",
            jwt_issuer="https://id.example.org",
            jwt_audience=("flotilla",),
        )
    )
    authorizer = api.only("AWS::ApiGatewayV2::Authorizer").properties
    assert authorizer["IdentitySource"] == ["$request.header.X-Identity-Token"]
    assert authorizer["JwtConfiguration"] == {"Audience": ["flotilla"], "Issuer": "https://id.example.org"}
    assert api.only("AWS::ApiGatewayV2::Route").properties["AuthorizationType"] == "JWT"
    assert api.only("AWS::ApiGatewayV2::DomainName").properties["DomainName"] == "runs.example.org"
    assert api.only("AWS::Route53::RecordSet").properties["Name"] == "runs.example.org."
