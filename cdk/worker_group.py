"""The Auto Scaling group of workers. It says how many there may be, never how many there are to be.

Scale-out is the alarm's (`cdk/scale_out.py`), scale-in each worker's own: a desired capacity in the template would
undo both at every deployment.
"""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk.aws_autoscaling import (
    AutoScalingGroup,
    DefaultResult,
    GroupMetrics,
    HealthChecks,
    InstancesDistribution,
    LaunchTemplateOverrides,
    LifecycleTransition,
    MixedInstancesPolicy,
    OnDemandAllocationStrategy,
    SpotAllocationStrategy,
)
from aws_cdk.aws_ec2 import InstanceType, IVpc, SubnetSelection
from constructs import Construct

from cdk.configuration import Configuration
from cdk.instance_types import is_burstable
from cdk.launch_template import WorkerTemplates
from flotilla.scaling import BOOT_SECONDS

GRACE = Duration.seconds(1.5 * BOOT_SECONDS)
"""An instance that does not boot is the pulse's to replace, which knows why; EC2's own check comes after it."""
SILENCE_BEFORE_TERMINATION = Duration.minutes(5)
"""A worker that drains says so again and again; a dead one is not waited for any longer than this."""


class WorkerGroup(Construct):
    """`group`: spot by default, of whichever types last, and protected from every scale-in but the worker's own."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        templates: WorkerTemplates,
        vpc: IVpc,
        subnets: SubnetSelection,
    ) -> None:
        super().__init__(scope, construct_id)
        self.group = AutoScalingGroup(
            self,
            "Group",
            auto_scaling_group_name=configuration.group,
            vpc=vpc,
            vpc_subnets=subnets,
            min_capacity=configuration.min_workers,
            max_capacity=configuration.max_workers,
            mixed_instances_policy=MixedInstancesPolicy(
                launch_template=templates.steady,
                launch_template_overrides=_overrides(configuration.instance_types, templates),
                instances_distribution=_distribution(configuration),
            ),
            capacity_rebalance=True,
            new_instances_protected_from_scale_in=True,
            health_checks=HealthChecks.ec2(grace_period=GRACE),
            group_metrics=[GroupMetrics.all()],
        )
        self.group.add_lifecycle_hook(
            "Leaving",
            lifecycle_hook_name=configuration.leaving_hook,
            lifecycle_transition=LifecycleTransition.INSTANCE_TERMINATING,
            heartbeat_timeout=SILENCE_BEFORE_TERMINATION,
            default_result=DefaultResult.CONTINUE,
        )


def _overrides(types: Sequence[str], templates: WorkerTemplates) -> list[LaunchTemplateOverrides]:
    return [
        LaunchTemplateOverrides(
            instance_type=InstanceType(name), launch_template=templates.burstable if is_burstable(name) else None
        )
        for name in types
    ]


def _distribution(configuration: Configuration) -> InstancesDistribution:
    """No maximum price: it is the on-demand price then, and a lower one only means fewer and shorter-lived workers."""
    return InstancesDistribution(
        on_demand_base_capacity=configuration.on_demand_base,
        on_demand_percentage_above_base_capacity=configuration.on_demand_percentage,
        on_demand_allocation_strategy=OnDemandAllocationStrategy.PRIORITIZED,
        spot_allocation_strategy=SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
    )
