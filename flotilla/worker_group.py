"""The Auto Scaling group of the workers: what it holds, and the few things that are ever done to it.

Nothing here raises the desired capacity, which is the alarm's to do. `leave` lowers it by one, for the worker that
goes, and `empty` for good.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from flotilla.scaling import Departure

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

LAUNCH = "Launch"
REBALANCE = "AZRebalance"
_PROTECTED_A_CALL = 50
_VALIDATION = "ValidationError"
_NOT_NOW = frozenset({_VALIDATION, "ScalingActivityInProgress", "ScalingActivityInProgressFault"})


class GroupMissing(Exception):
    """There is no group of that name: `FLOTILLA_GROUP` is wrong, or the worker stack is not deployed."""


class LeaveRefused(Exception):
    """The group cannot let the instance go now (it is at its minimum, or just changing): stay, and ask again later."""


class NoLifecycleAction(Exception):
    """No hook waits for the instance, not yet or not any more: there is nothing to keep alive or to complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """The group at one moment. Instances are named by their ids.

    Those that terminate are `leaving`; of the others, `protected` are in service and protected from scale-in, and
    `outdated` were launched from a template, or a version of it, that the group does not launch from any more.
    """

    desired: int
    least: int
    most: int
    instances: tuple[str, ...]
    leaving: tuple[str, ...]
    protected: tuple[str, ...]
    outdated: tuple[str, ...]
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
            if fault.response["Error"]["Code"] != _VALIDATION:
                raise
            if instance in self.look().instances:
                raise  # it is there, so something else is invalid

    def leave(self, instance: str, departure: Departure) -> None:
        """Terminates it, in one call with the lowering of the desired capacity. One that goes already is no fault.

        Raises LeaveRefused.
        """
        try:
            self._client.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=departure is Departure.LOWERING
            )
        except ClientError as fault:
            if fault.response["Error"]["Code"] not in _NOT_NOW:
                raise
            if instance in self.look().instances:
                raise LeaveRefused(fault.response["Error"]["Message"]) from fault

    def heartbeat(self, instance: str, *, hook: str) -> None:
        """Has the hook wait for the instance for another of its timeouts. Raises NoLifecycleAction."""
        with _answering_hook():
            self._client.record_lifecycle_action_heartbeat(
                AutoScalingGroupName=self._name, LifecycleHookName=hook, InstanceId=instance
            )

    def complete(self, instance: str, *, hook: str) -> None:
        """Lets the group go on with the instance's termination. Raises NoLifecycleAction."""
        with _answering_hook():
            self._client.complete_lifecycle_action(
                AutoScalingGroupName=self._name,
                LifecycleHookName=hook,
                InstanceId=instance,
                LifecycleActionResult="CONTINUE",
            )

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
        least=group["MinSize"],
        most=group["MaxSize"],
        instances=tuple(one["InstanceId"] for one in members if one["InstanceId"] not in leaving),
        leaving=tuple(sorted(leaving)),
        protected=tuple(
            one["InstanceId"] for one in members if one["ProtectedFromScaleIn"] and one["LifecycleState"] == "InService"
        ),
        outdated=_outdated(group),
        launches=LAUNCH not in suspended,
    )


def _outdated(group: "AutoScalingGroupTypeDef") -> tuple[str, ...]:
    """A group that follows `$Latest`, or has no template, does not say what it launches from: nothing is outdated."""
    policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    specified = [
        group.get("LaunchTemplate"),
        policy.get("LaunchTemplateSpecification"),
        *(override.get("LaunchTemplateSpecification") for override in policy.get("Overrides", [])),
    ]
    current = {(one.get("LaunchTemplateId"), one.get("Version", "$Default")) for one in specified if one}
    if not current or any(not version.isdecimal() for _, version in current):
        return ()
    launched = {one["InstanceId"]: one.get("LaunchTemplate", {}) for one in group.get("Instances", [])}
    return tuple(
        instance
        for instance, template in launched.items()
        if (template.get("LaunchTemplateId"), template.get("Version")) not in current
    )


@contextmanager
def _answering_hook() -> Iterator[None]:
    try:
        yield
    except ClientError as fault:
        if fault.response["Error"]["Code"] != _VALIDATION:
            raise
        raise NoLifecycleAction(fault.response["Error"]["Message"]) from fault
