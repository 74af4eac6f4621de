"""The Auto Scaling group of the workers: what it holds, and the few things that are ever done to it.

Nothing here raises the desired capacity, which is the alarm's to do, and only `empty` lowers it, for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

LAUNCH = "Launch"
REBALANCE = "AZRebalance"
_PROTECTED_A_CALL = 50


class GroupMissing(Exception):
    """There is no group of that name: `FLOTILLA_GROUP` is wrong, or the worker stack is not deployed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """The group at one moment. Instances are named by their ids.

    Those that terminate are `leaving`; of the others, `protected` are in service and protected from scale-in.
    """

    desired: int
    most: int
    instances: tuple[str, ...]
    leaving: tuple[str, ...]
    protected: tuple[str, ...]
    launches: bool


class WorkerGroup:
    """One group, by its name. Every method may raise what boto3 raises."""

    def __init__(self, client: "AutoScalingClient", *, name: str) -> None:
        self._client = client
        self._name = name

    def look(self) -> GroupState:
        """Reads it anew. Raises GroupMissing."""
        found = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self._name])["AutoScalingGroups"]
        if not found:
            raise GroupMissing(f"there is no Auto Scaling group {self._name!r}: deploy it, or mend FLOTILLA_GROUP")
        return _state(found[0])

    def replace(self, instance: str) -> None:
        """Terminates it without lowering the desired capacity, so that the group launches another in its place."""
        try:
            self._client.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=False
            )
        except ClientError as fault:
            if fault.response["Error"]["Code"] != "ValidationError":
                raise
            if instance in self.look().instances:
                raise  # it is there, so something else is invalid

    def stop_launching(self) -> None:
        """Suspends launching until somebody resumes it."""
        self._client.suspend_processes(AutoScalingGroupName=self._name, ScalingProcesses=[LAUNCH])

    def keep_zones(self) -> None:
        """Suspends the rebalancing of zones for good: it would end workers that have work."""
        self._client.suspend_processes(AutoScalingGroupName=self._name, ScalingProcesses=[REBALANCE])

    def empty(self) -> None:
        """Launches nothing any more and asks for no instance; those that are protected stay until they are not."""
        self.stop_launching()
        self._client.update_auto_scaling_group(AutoScalingGroupName=self._name, MinSize=0, DesiredCapacity=0)

    def unprotect(self, instances: Sequence[str]) -> None:
        """Lets scale-in have these; they must be in service, or AWS refuses the call."""
        for chunk in batched(instances, _PROTECTED_A_CALL):
            self._client.set_instance_protection(
                AutoScalingGroupName=self._name, InstanceIds=list(chunk), ProtectedFromScaleIn=False
            )


def _state(group: "AutoScalingGroupTypeDef") -> GroupState:
    members = group.get("Instances", [])
    leaving = {one["InstanceId"] for one in members if one["LifecycleState"].startswith("Terminat")}
    suspended = {process["ProcessName"] for process in group.get("SuspendedProcesses", [])}
    return GroupState(
        desired=group["DesiredCapacity"],
        most=group["MaxSize"],
        instances=tuple(one["InstanceId"] for one in members if one["InstanceId"] not in leaving),
        leaving=tuple(sorted(leaving)),
        protected=tuple(
            one["InstanceId"] for one in members if one["ProtectedFromScaleIn"] and one["LifecycleState"] == "InService"
        ),
        launches=LAUNCH not in suspended,
    )
