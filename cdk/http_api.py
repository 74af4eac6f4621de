"""The HTTP API in front of its function: throttled, logged, and under the operator's own name and token if asked."""

import json
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk.aws_apigatewayv2 import (
    CfnStage,
    DomainMappingOptions,
    DomainName,
    HttpApi,
    HttpNoneAuthorizer,
    HttpStage,
    IHttpRouteAuthorizer,
    ThrottleSettings,
)
from aws_cdk.aws_apigatewayv2_authorizers import HttpJwtAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from aws_cdk.aws_certificatemanager import Certificate
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_route53 import ARecord, HostedZone, RecordTarget
from aws_cdk.aws_route53_targets import ApiGatewayv2DomainProperties
from constructs import Construct

from cdk.configuration import Configuration
from cdk.log_retention import KEPT_FOR

IDENTITY_HEADER = "$request.header.X-Identity-Token"
"""The header `Authorization` is the API key's."""
LOGGED = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "fault": "$context.integrationErrorMessage",
}


class FleetApi(Construct):
    """`api`, with one route for all, since the application behind it knows its routes; `url` is what clients take."""

    def __init__(
        self, scope: Construct, construct_id: str, *, configuration: Configuration, function: Function
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = HttpApi(
            self,
            "Api",
            api_name=f"{configuration.prefix}-api",
            description=f"Flotilla {configuration.stage}",
            create_default_stage=False,
            default_integration=HttpLambdaIntegration("Function", function),
            default_authorizer=_authorizer(configuration),
            disable_execute_api_endpoint=configuration.domain_name is not None,
        )
        domain = self._domain(configuration)
        self.stage = HttpStage(
            self,
            "Stage",
            http_api=self.api,
            auto_deploy=True,
            throttle=ThrottleSettings(rate_limit=configuration.api_rate, burst_limit=configuration.api_burst),
            domain_mapping=DomainMappingOptions(domain_name=domain) if domain else None,
        )
        self._log_access(configuration.log_days)
        self.url = f"https://{configuration.domain_name}" if domain else self.api.api_endpoint

    def _log_access(self, days: int) -> None:
        log = LogGroup(self, "Access", retention=KEPT_FOR[days], removal_policy=RemovalPolicy.DESTROY)
        stage = cast(CfnStage, self.stage.node.default_child)
        stage.access_log_settings = CfnStage.AccessLogSettingsProperty(
            destination_arn=log.log_group_arn, format=json.dumps(LOGGED)
        )

    def _domain(self, configuration: Configuration) -> DomainName | None:
        if configuration.domain_name is None or configuration.certificate_arn is None:
            return None
        certificate = Certificate.from_certificate_arn(self, "Certificate", configuration.certificate_arn)
        domain = DomainName(self, "Domain", domain_name=configuration.domain_name, certificate=certificate)
        if configuration.hosted_zone_id and configuration.hosted_zone_name:
            zone = HostedZone.from_hosted_zone_attributes(
                self,
                "Zone",
                hosted_zone_id=configuration.hosted_zone_id,
                zone_name=configuration.hosted_zone_name,
            )
            target = ApiGatewayv2DomainProperties(domain.regional_domain_name, domain.regional_hosted_zone_id)
            ARecord(
                self,
                "Record",
                zone=zone,
                record_name=configuration.domain_name,
                target=RecordTarget.from_alias(target),
            )
        return domain


def _authorizer(configuration: Configuration) -> IHttpRouteAuthorizer:
    if configuration.jwt_issuer is None:
        return HttpNoneAuthorizer()
    return HttpJwtAuthorizer(
        "Identity",
        configuration.jwt_issuer,
        jwt_audience=list(configuration.jwt_audience),
        identity_source=[IDENTITY_HEADER],
    )
