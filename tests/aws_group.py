"""An Auto Scaling group on moto, as the fleet's template makes one: nothing in it, new instances protected."""

from typing import TYPE_CHECKING
from uuid import uuid4

import boto3

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

REGION = "eu-west-1"


def autoscaling(moto_url: str) -> "AutoScalingClient":
    """A client of moto."""
    return boto3.client(
        "autoscaling",
        endpoint_url=moto_url,
        region_name=REGION,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


class AwsGroup:
    """One group; `grow` is what the alarm's policy does."""

    def __init__(self, client: "AutoScalingClient", *, most: int = 10) -> None:
        self.client = client
        self.name = f"group-{uuid4().hex}"
        client.create_launch_configuration(
            LaunchConfigurationName=self.name, ImageId="ami-12c6146b", InstanceType="t3.2xlarge"
        )
        client.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            LaunchConfigurationName=self.name,
            MinSize=0,
            MaxSize=most,
            AvailabilityZones=[f"{REGION}a"],
            NewInstancesProtectedFromScaleIn=True,
        )

    def grow(self, desired: int) -> list[str]:
        """Sets the desired capacity; returns the instances that there are then."""
        self.client.set_desired_capacity(AutoScalingGroupName=self.name, DesiredCapacity=desired)
        return self.instances()

    def instances(self) -> list[str]:
        return [instance["InstanceId"] for instance in self.look()["Instances"]]

    def suspended(self) -> set[str]:
        return {process["ProcessName"] for process in self.look().get("SuspendedProcesses", [])}

    def look(self) -> "AutoScalingGroupTypeDef":
        (group,) = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        return group
