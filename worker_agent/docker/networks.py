"""The network that the flat trials of one worker share, in which none of them reaches another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker_agent.docker.cancellation import to_its_end
from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import EngineError
from worker_agent.docker.governor import Governor

APART = {"com.docker.network.bridge.enable_icc": "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A bridge network by name, made when it is first wanted.

    Without a subnet it takes one of the engine's address pools, which must have room for every slot.
    """

    name: str
    subnet: str | None
    labels: Mapping[str, str]

    async def ensure(self, engine: Engine, governor: Governor) -> None:
        """Make the network if it is not there."""
        if await self._is_there(engine):
            return
        # The engine would let two networks have one name.
        async with governor.alone(f"network-{self.name}"):
            if not await self._is_there(engine):
                await to_its_end(engine.json("POST", "/networks/create", body=self._order()))

    def _order(self) -> dict[str, Any]:
        order: dict[str, Any] = {"Name": self.name, "Driver": "bridge", "Options": APART, "Labels": dict(self.labels)}
        return order | ({"IPAM": {"Config": [{"Subnet": self.subnet}]}} if self.subnet else {})

    async def _is_there(self, engine: Engine) -> bool:
        try:
            await engine.json("GET", f"/networks/{named(self.name)}")
        except EngineError as error:
            if error.status == 404:
                return False
            raise
        return True
