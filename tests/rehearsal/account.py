"""An account that somebody on loopback plays: its clients, and what CloudFormation says is in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from tests.rehearsal.cdk_cli import REGION


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`environment` is what a process needs that takes the endpoint for AWS."""

    endpoint: str
    environment: Mapping[str, str]

    def client(self, service: str) -> Any:
        """A client of one service."""
        aws: Any = boto3  # its stubs want the service's name to be a constant
        return aws.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def stacks(self) -> dict[str, str]:
        """The state of each stack, by its name."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return {stack["StackName"]: stack["StackStatus"] for stack in found}

    def resources(self, stacks: Iterable[str]) -> set[tuple[str, str]]:
        """Each resource that exists, as (stack, logical id)."""
        client = self.client("cloudformation")
        return {
            (stack, one["LogicalResourceId"])
            for stack in stacks
            for page in client.get_paginator("list_stack_resources").paginate(StackName=stack)
            for one in page["StackResourceSummaries"]
        }

    def output(self, stack: str, name: str) -> str:
        """One output of a stack."""
        (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return next(str(one["OutputValue"]) for one in found["Outputs"] if one["OutputKey"] == name)
