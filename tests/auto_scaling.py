"""A small lifecycle model of one Auto Scaling group, behind the calls of boto3's client that the fleet makes.

It knows what moto's group does not: the minimum, the termination hook and its timeout, protection, instances that are
terminating or gone, and what somebody else does between a look and the act (`meanwhile`). Its faults have AWS's codes
and words; what AWS says of an instance that terminates already is not documented, and taken to be an activity in
progress. The calls take what boto3's take, by AWS's own names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient

NAME = "workers"
HOOK = "leaving"
HEARTBEAT_SECONDS = 300.0
TEMPLATE = "lt-worker"


@dataclass(slots=True, kw_only=True)
class Member:
    """One instance. `ends` is when its hook stops waiting."""

    state: str = "InService"
    protected: bool = True
    version: str = "1"
    ends: float | None = None


class AutoScaling:
    """One group at one moment after the other; `now` is in seconds. Safe for many threads, as AWS is."""

    def __init__(self, *, least: int = 0, desired: int = 0, most: int = 100) -> None:
        self.least, self.desired, self.most = least, desired, most
        self.version = "1"
        self.now = 0.0
        self.members: dict[str, Member] = {}
        self.suspended: set[str] = set()
        self.gone: list[str] = []
        self.lowered = 0
        self.calls: list[tuple[str, str]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self._lock = RLock()
        self._numbers = count(1)
        self.launch()

    @property
    def client(self) -> "AutoScalingClient":
        """This model, for whoever wants boto3's client."""
        return cast("AutoScalingClient", self)

    def launch(self) -> None:
        """Fills the group up to what is desired."""
        with self._lock:
            while "Launch" not in self.suspended and len(self.in_service()) < self.desired:
                self.members[f"i-{next(self._numbers)}"] = Member(version=self.version)

    def grow(self, desired: int) -> None:
        """What the alarm's policy does."""
        with self._lock:
            self.desired = desired
            self.launch()

    def in_service(self) -> list[str]:
        return [name for name, member in self.members.items() if member.state == "InService"]

    def terminating(self) -> list[str]:
        return [name for name, member in self.members.items() if member.state == "Terminating:Wait"]

    def vanish(self, instance: str) -> None:
        """The instance ends without anybody's asking; the group launches another."""
        with self._lock:
            del self.members[instance]
            self.gone.append(instance)
            self.launch()

    def begin_termination(self, instance: str) -> None:
        """What the group does by itself: for an unhealthy machine, or one whose replacement is there."""
        with self._lock:
            member = self.members[instance]
            member.state, member.ends = "Terminating:Wait", self.now + HEARTBEAT_SECONDS

    def pass_time(self, seconds: float) -> None:
        """Time goes by; hooks that nobody kept alive let their instances go."""
        with self._lock:
            self.now += seconds
            for name in [name for name, one in self.members.items() if one.ends is not None and one.ends <= self.now]:
                self.vanish(name)

    def describe_auto_scaling_groups(self, **words: Any) -> dict[str, Any]:
        with self._lock:
            found = [self._description()] if NAME in words["AutoScalingGroupNames"] else []
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return {"AutoScalingGroups": found}

    def terminate_instance_in_auto_scaling_group(self, **words: Any) -> dict[str, Any]:
        instance, lowering = words["InstanceId"], words["ShouldDecrementDesiredCapacity"]
        with self._lock:
            self.calls.append(("terminate", instance))
            member = self.members.get(instance)
            if member is None:
                raise refused(f"Instance Id not found - No managed instance found for instance ID: {instance}")
            if member.state != "InService":
                raise _fault("ScalingActivityInProgress", f"Scaling activity on {instance} in progress")
            if lowering and self.desired <= self.least:
                raise refused(
                    f"Currently, desiredSize equals minSize ({self.least}). Terminating instance without replacement "
                    "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to "
                    "false or lower group's min size."
                )
            self.desired -= lowering
            self.lowered += lowering
            self.begin_termination(instance)
            self.launch()
            return {"Activity": {"StatusCode": "InProgress"}}

    def record_lifecycle_action_heartbeat(self, **words: Any) -> dict[str, Any]:
        with self._lock:
            self.calls.append(("heartbeat", words["InstanceId"]))
            self._awaited(**words).ends = self.now + HEARTBEAT_SECONDS
            return {}

    def complete_lifecycle_action(self, **words: Any) -> dict[str, Any]:
        with self._lock:
            self.calls.append(("complete", words["InstanceId"]))
            self._awaited(**words)
            assert words["LifecycleActionResult"] == "CONTINUE"
            self.vanish(words["InstanceId"])
            return {}

    def _awaited(self, **words: Any) -> Member:
        instance = words["InstanceId"]
        if instance not in self.terminating() or (words["AutoScalingGroupName"], words["LifecycleHookName"]) != (
            NAME,
            HOOK,
        ):
            raise refused(f"No active Lifecycle Action found with instance ID {instance}")
        return self.members[instance]

    def _description(self) -> dict[str, Any]:
        specification = {"LaunchTemplateId": TEMPLATE, "LaunchTemplateName": "worker", "Version": self.version}
        return {
            "AutoScalingGroupName": NAME,
            "DesiredCapacity": self.desired,
            "MinSize": self.least,
            "MaxSize": self.most,
            "MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": []}},
            "Instances": [
                {
                    "InstanceId": name,
                    "LifecycleState": member.state,
                    "ProtectedFromScaleIn": member.protected,
                    "LaunchTemplate": {**specification, "Version": member.version},
                }
                for name, member in self.members.items()
            ],
            "SuspendedProcesses": [{"ProcessName": name} for name in self.suspended],
        }


def refused(message: str) -> ClientError:
    """AWS's word for whatever is wrong with a request."""
    return _fault("ValidationError", message)


def _fault(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")
