"""The resource types that moto 5.2.5 does not know, and that our templates have.

Each is made by moto's extension point, a direct subclass of its `CloudFormationModel`, and calls the public API of the
server that it lives in, so that botocore checks every property against AWS's own service model, and any client sees
the resource afterwards. What moto has no place for is only written down, in `RECORDED`.
"""

import json
from collections.abc import Callable
from typing import Any

import boto3
import moto.cloudformation.parsing  # noqa: F401 - loads moto's own types, before which ours go if they come after
from moto.core.common_models import CloudFormationModel

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]
Call = Callable[[str], Any]
Create = Callable[[Properties, str, Call], Made]

RECORDED: list[str] = []
"""The types of what was accepted and has no body in moto, once for each resource."""

_endpoint: list[str] = []


def serve_at(endpoint: str) -> None:
    """Says where the server is that these types live in."""
    _endpoint[:] = [endpoint]


def _client(service: str) -> Any:
    aws: Any = boto3  # its stubs want the service's name to be a constant
    return aws.client(service, region_name="us-east-1", endpoint_url=_endpoint[0], **CREDENTIALS)


CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def _add(kind: str, create: Create) -> None:
    """Teaches moto one type, which can be made, be named by `Ref` and asked for attributes."""

    def made(cls: Any, resource_name: str, cloudformation_json: Properties, *_: Any, **__: Any) -> Any:
        resource = cls.__new__(cls)
        properties = cloudformation_json.get("Properties", {})
        resource.physical_resource_id, resource.attributes = create(properties, resource_name, _client)
        return resource

    type(
        kind.replace("::", ""),
        (CloudFormationModel,),
        {
            "cloudformation_type": staticmethod(lambda: kind),
            "cloudformation_name_type": staticmethod(lambda: ""),
            "has_cfn_attr": classmethod(lambda _cls, _name: True),
            "create_from_cloudformation_json": classmethod(made),
            "is_created": lambda _self: True,
            "get_cfn_attribute": lambda self, name: self.attributes[name],
            "type": kind,
        },
    )


def _alarm(properties: Properties, _: str, call: Call) -> Made:
    client = call("cloudwatch")
    client.put_metric_alarm(**properties)
    (alarm,) = client.describe_alarms(AlarmNames=[properties["AlarmName"]])["MetricAlarms"]
    return properties["AlarmName"], {"Arn": alarm["AlarmArn"]}


def _scaling_policy(properties: Properties, name: str, call: Call) -> Made:
    client = call("autoscaling")
    client.put_scaling_policy(PolicyName=name, **properties)
    found = client.describe_policies(AutoScalingGroupName=properties["AutoScalingGroupName"], PolicyNames=[name])
    arn = found["ScalingPolicies"][0]["PolicyARN"]
    return arn, {"Arn": arn, "PolicyName": name}


def _lifecycle_hook(properties: Properties, _: str, call: Call) -> Made:
    call("autoscaling").put_lifecycle_hook(**properties)
    return properties["LifecycleHookName"], {}


def _queue_policy(properties: Properties, name: str, call: Call) -> Made:
    for queue in properties["Queues"]:
        policy = json.dumps(properties["PolicyDocument"])
        call("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    return name, {}


def _topic_policy(properties: Properties, name: str, call: Call) -> Made:
    for topic in properties["Topics"]:
        policy = json.dumps(properties["PolicyDocument"])
        call("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return name, {}


def _secret(properties: Properties, name: str, call: Call) -> Made:
    generated = properties["GenerateSecretString"]
    value = "a password that moto made"
    if "GenerateStringKey" in generated:
        template = json.loads(generated["SecretStringTemplate"])
        value = json.dumps({**template, generated["GenerateStringKey"]: value})
    arn = call("secretsmanager").create_secret(Name=properties.get("Name", name), SecretString=value)["ARN"]
    return arn, {"Id": arn}


def _attachment(properties: Properties, _: str, call: Call) -> Made:
    """What the service adds to the secret of a database: where it is."""
    secrets, secret = call("secretsmanager"), properties["SecretId"]
    known = json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])
    (instance,) = call("rds").describe_db_instances(DBInstanceIdentifier=properties["TargetId"])["DBInstances"]
    known |= {
        "host": instance["Endpoint"]["Address"],
        "port": instance["Endpoint"]["Port"],
        "dbname": instance["DBName"],
    }
    secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(known))
    return secret, {"Id": secret}


def _api(properties: Properties, _: str, call: Call) -> Made:
    made = call("apigatewayv2").create_api(**properties)
    return made["ApiId"], {"ApiId": made["ApiId"], "ApiEndpoint": made["ApiEndpoint"]}


def _integration(properties: Properties, _: str, call: Call) -> Made:
    return call("apigatewayv2").create_integration(**properties)["IntegrationId"], {}


def _route(properties: Properties, _: str, call: Call) -> Made:
    return call("apigatewayv2").create_route(**properties)["RouteId"], {}


def _stage(properties: Properties, _: str, call: Call) -> Made:
    call("apigatewayv2").create_stage(**properties)
    return properties["StageName"], {}


def _group(properties: Properties, _: str, call: Call) -> Made:
    """As moto makes it from a template, it loses what it has a place for."""
    numbers = {name: int(properties[name]) for name in ("MinSize", "MaxSize", "HealthCheckGracePeriod")}
    unknown = {"MetricsCollection", "VPCZoneIdentifier"}
    kept = {name: value for name, value in properties.items() if name not in unknown}
    call("autoscaling").create_auto_scaling_group(
        **kept | numbers, VPCZoneIdentifier=",".join(properties["VPCZoneIdentifier"])
    )
    return properties["AutoScalingGroupName"], {}


def _function(properties: Properties, name: str, call: Call) -> Made:
    """The same, of a function."""
    tags = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    concurrency = properties.get("ReservedConcurrentExecutions")
    kept = {name: value for name, value in properties.items() if name != "ReservedConcurrentExecutions"}
    client = call("lambda")
    made = client.create_function(**kept | {"FunctionName": name[-64:], "Tags": tags})
    if concurrency is not None:
        client.put_function_concurrency(FunctionName=name[-64:], ReservedConcurrentExecutions=concurrency)
    return made["FunctionName"], {"Arn": made["FunctionArn"]}


def _database(properties: Properties, name: str, call: Call) -> Made:
    """The same, of a database instance; the password comes from a secret by a reference that moto leaves as it is."""
    numbers = ("AllocatedStorage", "MaxAllocatedStorage", "BackupRetentionPeriod")
    kept = dict(properties) | {number: int(properties[number]) for number in numbers}
    kept |= {"MasterUsername": "flotilla", "MasterUserPassword": "a password that moto made"}
    kept["VpcSecurityGroupIds"] = kept.pop("VPCSecurityGroups")
    made = call("rds").create_db_instance(DBInstanceIdentifier=name.lower()[:60], Port=5432, **kept)["DBInstance"]
    endpoint = made["Endpoint"]
    return made["DBInstanceIdentifier"], {"Endpoint.Address": endpoint["Address"], "Endpoint.Port": endpoint["Port"]}


def _recorded(kind: str) -> Create:
    def record(_: Properties, name: str, __: Call) -> Made:
        RECORDED.append(kind)
        return name, {}

    return record


def teach() -> None:
    """Teaches moto all of them. Call it once, before the server starts."""
    types: dict[str, Create] = {
        "AWS::CloudWatch::Alarm": _alarm,
        "AWS::AutoScaling::AutoScalingGroup": _group,
        "AWS::AutoScaling::ScalingPolicy": _scaling_policy,
        "AWS::AutoScaling::LifecycleHook": _lifecycle_hook,
        "AWS::Lambda::Function": _function,
        "AWS::RDS::DBInstance": _database,
        "AWS::SQS::QueuePolicy": _queue_policy,
        "AWS::SNS::TopicPolicy": _topic_policy,
        "AWS::SecretsManager::Secret": _secret,
        "AWS::SecretsManager::SecretTargetAttachment": _attachment,
        "AWS::ApiGatewayV2::Api": _api,
        "AWS::ApiGatewayV2::Integration": _integration,
        "AWS::ApiGatewayV2::Route": _route,
        "AWS::ApiGatewayV2::Stage": _stage,
    }
    # The bucket policy of the bootstrap would refuse every upload, since all here goes without TLS.
    for kind in ("AWS::S3::BucketPolicy", "AWS::Lambda::EventInvokeConfig"):
        types[kind] = _recorded(kind)
    for kind, create in types.items():
        _add(kind, create)
