"""The custom resource beside the workers' group: made, it keeps zones from being rebalanced; deleted, it drains.

Without the first a group may end workers that have work, without the second destroying the stacks hangs on them.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import boto3

from flotilla.aws import brief_calls
from flotilla.custom_resource import Explained, RequestType, answer
from flotilla.settings import DrainSettings, SettingsFault, read
from flotilla.worker_group import GroupMissing, WorkerGroup

SETTINGS = DrainSettings
NAME = "flotilla-fleet-drain"
LOOK_SECONDS = 10.0
SPARE_SECONDS = 30.0
"""So long before its time is over the function stops waiting, to answer."""


def drain(group: WorkerGroup, *, seconds_left: Callable[[], float], sleep: Callable[[float], None]) -> str:
    """Asks for no worker any more, lets the group have those that there are, and waits for them to finish.

    They learn of it by their lifecycle state, and end when their last trial has. Whoever is not done when the time is
    nearly over goes on: the group's own deletion waits for it.
    """
    group.empty()
    while True:
        state = group.look()
        group.unprotect(state.protected)
        remaining = len(state.instances) + len(state.leaving)
        if not remaining:
            return "no worker is left"
        if seconds_left() < SPARE_SECONDS + LOOK_SECONDS:
            return f"{remaining} workers still finish what they run; nothing protects them from the group's deletion"
        sleep(LOOK_SECONDS)


def work(kind: RequestType, *, seconds_left: Callable[[], float]) -> str:
    """What one request asks for. A group that is gone is drained, but cannot be kept from anything."""
    try:
        settings = read(os.environ, SETTINGS)
        group = WorkerGroup(boto3.client("autoscaling", config=brief_calls()), name=settings.group)
        group.look()
        if kind is RequestType.DELETE:
            return drain(group, seconds_left=seconds_left, sleep=time.sleep)
        group.keep_zones()
    except GroupMissing as fault:
        if kind is RequestType.DELETE:
            return "there is no group any more"
        raise Explained(str(fault)) from fault
    except SettingsFault as fault:
        raise Explained(str(fault)) from fault
    return "zones are not rebalanced; the group is drained when this is deleted"


def handler(event: dict[str, Any], context: Any) -> None:
    """Answers one request of CloudFormation."""
    logging.getLogger().setLevel(logging.INFO)
    answer(event, name=NAME, work=lambda kind: work(kind, seconds_left=_left_of(context)))


def _left_of(context: Any) -> Callable[[], float]:
    return lambda: context.get_remaining_time_in_millis() / 1000
