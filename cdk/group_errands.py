"""What CloudFormation cannot do for the group: keep it from rebalancing zones, and empty it before it is deleted."""

from aws_cdk import CustomResource, Duration
from constructs import Construct

from cdk.fleet_function import FleetFunction


class GroupErrands(Construct):
    """`resource` comes after the group and goes before it.

    Suspending `AZRebalance` has no property in a template: an update policy suspends processes only while it replaces
    instances itself, which this group never lets it. Protected instances would let a deletion hang.
    """

    def __init__(self, scope: Construct, construct_id: str, *, function: FleetFunction, group: Construct) -> None:
        super().__init__(scope, construct_id)
        self.resource = CustomResource(
            self,
            "Errands",
            resource_type="Custom::FlotillaGroupErrands",
            service_token=function.function.function_arn,
            service_timeout=Duration.minutes(15),
        )
        self.resource.node.add_dependency(group)
