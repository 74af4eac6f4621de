"""What the control plane holds after a deployment, asked by boto3: nothing here looks at a template."""

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.rehearsal.account import Account

PREFIX = "flotilla-dev"
GROUP = f"{PREFIX}-workers"


def queues_are_a_pair_with_dead_letters(account: Account) -> None:
    client = account.client("sqs")
    attributes = {
        url.rsplit("/", 1)[1]: client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for url in client.list_queues()["QueueUrls"]
    }
    pair = {f"{PREFIX}-runs-high", f"{PREFIX}-runs"}
    assert set(attributes) == pair | {f"{name}-dead" for name in pair}
    for name in pair:
        redrive = json.loads(attributes[name]["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"] == attributes[f"{name}-dead"]["QueueArn"]
        assert int(redrive["maxReceiveCount"]) == 1000
        assert attributes[name]["VisibilityTimeout"] == "90"
        assert "aws:SecureTransport" in attributes[name]["Policy"]


def the_group_has_bounds_protection_and_no_desired_capacity_of_its_own(account: Account) -> None:
    (group,) = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["AutoScalingGroupName"] == GROUP
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (0, 10, 0)
    assert group["NewInstancesProtectedFromScaleIn"] is True
    assert group["CapacityRebalance"] is True
    assert group["HealthCheckGracePeriod"] == 900
    assert len(group["VPCZoneIdentifier"].split(",")) == 3
    policy = group["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0
    types = [override["InstanceType"] for override in policy["LaunchTemplate"]["Overrides"]]
    assert types[0] == "t3.2xlarge"
    assert len(types) >= 10


def machines_keep_their_metadata_to_themselves_on_encrypted_disks(account: Account) -> None:
    client = account.client("ec2")
    templates = client.describe_launch_templates()["LaunchTemplates"]
    assert len(templates) == 2
    for template in templates:
        versions = client.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])
        data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
        _boots_with_everything_known(base64.b64decode(data["UserData"]).decode())


def _boots_with_everything_known(user_data: str) -> None:
    assert user_data.startswith("#cloud-config")
    for name in ("FILE_SYSTEM='fs-", "ACCESS_POINT='fsap-", "FLOTILLA_QUEUE_URL='https://", "RUNTIME_BUCKET='cdk-"):
        assert name in user_data, f"the user data has no {name}"
    assert "FLOTILLA_DATABASE_SECRET='arn:aws:secretsmanager:" in user_data


def the_alarm_on_the_shortfall_drives_the_policy_that_adds_it(account: Account) -> None:
    alarms = {alarm["AlarmName"]: alarm for alarm in account.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    policies = {
        policy["PolicyARN"]: policy
        for policy in account.client("autoscaling").describe_policies(AutoScalingGroupName=GROUP)["ScalingPolicies"]
    }
    alarm = alarms[f"{PREFIX}-shortfall"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("Flotilla", "Shortfall", "Maximum")
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (10, 1, 1)
    (action,) = alarm["AlarmActions"]
    steps = policies[action]["StepAdjustments"]
    assert [step["ScalingAdjustment"] for step in steps[:15]] == list(range(1, 16))
    assert len(steps) <= 20
    (backup,) = alarms[f"{PREFIX}-old-messages"]["AlarmActions"]
    assert policies[backup]["StepAdjustments"][0]["ScalingAdjustment"] == 1


def alarms_for_people_reach_their_topic(account: Account) -> None:
    (topic,) = account.client("sns").list_topics()["Topics"]
    alarms = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    told = [alarm for alarm in alarms if alarm["AlarmActions"] == [topic["TopicArn"]]]
    assert len(told) == len(alarms) - 2 >= 10


def a_terminating_worker_is_waited_for(account: Account) -> None:
    hooks = account.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    (hook,) = hooks
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert (hook["DefaultResult"], hook["HeartbeatTimeout"]) == ("CONTINUE", 300)


def functions_have_their_variables_code_and_limits(account: Account) -> None:
    client = account.client("lambda")
    functions = {one["Handler"].split(".")[1]: one for one in client.list_functions()["Functions"]}
    assert set(functions) == {"api", "pulse", "dead_letters", "migrate_database", "drain_fleet"}
    variables = {name: function["Environment"]["Variables"] for name, function in functions.items()}
    assert variables["api"]["FLOTILLA_PULSE_FUNCTION"] == functions["pulse"]["FunctionName"]
    assert variables["pulse"]["FLOTILLA_GROUP"] == variables["drain_fleet"]["FLOTILLA_GROUP"] == GROUP
    for function in functions.values():
        assert (function["Runtime"], function["Architectures"]) == ("python3.12", ["arm64"])
        assert len(function["Layers"]) == 1
    sources = client.list_event_source_mappings()["EventSourceMappings"]
    assert {source["EventSourceArn"].rsplit(":", 1)[1] for source in sources} == {
        f"{PREFIX}-runs-dead",
        f"{PREFIX}-runs-high-dead",
    }


def every_request_goes_to_the_api_function(account: Account) -> None:
    client = account.client("apigatewayv2")
    (api,) = client.get_apis()["Items"]
    (route,) = client.get_routes(ApiId=api["ApiId"])["Items"]
    (integration,) = client.get_integrations(ApiId=api["ApiId"])["Items"]
    assert route["RouteKey"] == "$default"
    assert route["Target"] == f"integrations/{integration['IntegrationId']}"
    assert "function" in integration["IntegrationUri"]
    (stage,) = client.get_stages(ApiId=api["ApiId"])["Items"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 200


def the_pulse_beats_each_minute(account: Account) -> None:
    client = account.client("events")
    (rule,) = client.list_rules()["Rules"]
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    (target,) = client.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert "Pulse" in target["Arn"]


def the_database_is_private_encrypted_and_in_its_secret(account: Account) -> None:
    (instance,) = account.client("rds").describe_db_instances()["DBInstances"]
    assert instance["StorageEncrypted"] is True
    assert instance["DeletionProtection"] is True
    secrets: Any = account.client("secretsmanager")
    names = [one["Name"] for one in secrets.list_secrets()["SecretList"]]
    assert f"{PREFIX}/admin-key" in names
    login = next(name for name in names if "Login" in name)
    known = json.loads(secrets.get_secret_value(SecretId=login)["SecretString"])
    assert set(known) >= {"host", "port", "username", "password", "dbname", "ca"}
    assert known["host"] == instance["Endpoint"]["Address"]


CHECKS: dict[str, Callable[[Account], None]] = {
    "two queues have their leases, dead-letter queues and TLS policies": queues_are_a_pair_with_dead_letters,
    "the group has bounds, protection and ten spot types, and nobody set its capacity": (
        the_group_has_bounds_protection_and_no_desired_capacity_of_its_own
    ),
    "machines demand IMDSv2 at one hop, have encrypted disks, and are told all they need": (
        machines_keep_their_metadata_to_themselves_on_encrypted_disks
    ),
    "the alarm on the shortfall drives the policy that adds exactly it": (
        the_alarm_on_the_shortfall_drives_the_policy_that_adds_it
    ),
    "every other alarm reaches the topic for people": alarms_for_people_reach_their_topic,
    "a terminating worker is waited for": a_terminating_worker_is_waited_for,
    "five functions have their variables, code and sources": functions_have_their_variables_code_and_limits,
    "every request to the API goes to its function, throttled": every_request_goes_to_the_api_function,
    "the pulse is invoked each minute": the_pulse_beats_each_minute,
    "the database is encrypted and protected, and its secret says where it is": (
        the_database_is_private_encrypted_and_in_its_secret
    ),
}
