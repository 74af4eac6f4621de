"""The group's termination hook: kept alive until the last trial of this worker has ended, then completed."""

import asyncio
import logging

from botocore.exceptions import BotoCoreError, ClientError

from flotilla.worker_group import NoLifecycleAction, WorkerGroup

HEARTBEAT_SECONDS = 60.0
"""A fifth of the timeout that the hook is deployed with: four may fail before the machine is taken."""

_log = logging.getLogger(__name__)


class LifecycleHook:
    """One instance's hook. Whatever AWS answers, it is reported and outlived: the trials go on either way."""

    def __init__(
        self, group: WorkerGroup, *, instance: str, name: str, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._group = group
        self._instance = instance
        self._name = name
        self._heartbeat_seconds = heartbeat_seconds

    async def keep(self) -> None:
        """Has the group wait, until it is cancelled."""
        while True:
            try:
                await asyncio.to_thread(self._group.heartbeat, self._instance, hook=self._name)
            except (NoLifecycleAction, BotoCoreError, ClientError) as fault:
                _log.warning("the group was not told to wait: %s", fault)
            await asyncio.sleep(self._heartbeat_seconds)

    async def complete(self) -> None:
        """Lets the group end the machine; if it is not told, it does so when its timeout is over."""
        try:
            await asyncio.to_thread(self._group.complete, self._instance, hook=self._name)
        except (NoLifecycleAction, BotoCoreError, ClientError) as fault:
            _log.warning("the group was not told that this worker is done: %s", fault)
