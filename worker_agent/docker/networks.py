"""The network that the flat trials of one worker share, in which none of them reaches another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from worker_agent.docker.cancellation import to_its_end
from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import AnswerLostError, ContainerStartError, EngineError
from worker_agent.docker.governor import Governor
from worker_agent.docker.leftovers import delete
from worker_agent.docker.repetition import repeated

APART = {"com.docker.network.bridge.enable_icc": "false"}


GATEWAY_AND_ENDS = 3  # addresses of a subnet that no container gets
NEIGHBOURHOOD = 16  # the prefix within which a larger subnet than the pool's is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A bridge network by name, with room for so many containers, made when it is first wanted.

    Without a subnet it takes one of the engine's address pools; where those are cut into small networks, it takes a
    larger one beside what it was given.
    """

    name: str
    subnet: str | None
    labels: Mapping[str, str]
    containers: int = 1

    async def ensure(self, engine: Engine, governor: Governor) -> None:
        """Make the network if it is not there. Raises `ContainerStartError` if there is no room for it."""
        if await self._is_there(engine):
            return
        # The engine would let two networks have one name.
        async with governor.alone(f"network-{self.name}"):
            if not await self._is_there(engine):
                await to_its_end(self._make(engine))

    async def _make(self, engine: Engine) -> None:
        await self._create(engine, self.subnet)
        if self.subnet is not None:
            return
        given = await self._given(engine)
        if given.num_addresses >= self.containers + GATEWAY_AND_ENDS:
            return
        await delete(engine, f"/networks/{named(self.name)}")
        if not await self._made_beside(engine, given):
            raise ContainerStartError(self._no_room(given))

    async def _made_beside(self, engine: Engine, given: IPv4Network) -> bool:
        for larger in larger_subnets(given, containers=self.containers):
            try:
                await self._create(engine, str(larger))
            except EngineError as error:
                if "overlap" not in error.message:
                    raise
            else:
                return True
        return False

    def _no_room(self, given: IPv4Network) -> str:
        mend = "give the engine larger default-address-pools, or the worker a FLOTILLA_TRIAL_SUBNET"
        return f"no free network for {self.containers} containers around {given}: {mend}"

    async def _create(self, engine: Engine, subnet: str | None) -> None:
        order: dict[str, Any] = {"Name": self.name, "Driver": "bridge", "Options": APART, "Labels": dict(self.labels)}
        order |= {"IPAM": {"Config": [{"Subnet": subnet}]}} if subnet else {}
        await repeated(lambda: self._created(engine, order), passes=lambda fault: isinstance(fault, AnswerLostError))

    async def _created(self, engine: Engine, order: Mapping[str, Any]) -> None:
        """Nobody else makes it meanwhile; one that is there was made by an order whose answer was lost."""
        if not await self._is_there(engine):
            await engine.json("POST", "/networks/create", body=order)

    async def _given(self, engine: Engine) -> IPv4Network:
        network = await engine.json("GET", f"/networks/{named(self.name)}")
        subnets = [entry["Subnet"] for entry in network["IPAM"]["Config"] if ":" not in entry["Subnet"]]
        return IPv4Network(subnets[0])

    async def _is_there(self, engine: Engine) -> bool:
        try:
            await engine.json("GET", f"/networks/{named(self.name)}")
        except EngineError as error:
            if error.status == 404:
                return False
            raise
        return True


def larger_subnets(given: IPv4Network, *, containers: int) -> Iterator[IPv4Network]:
    """Subnets with room for so many containers, in the neighbourhood of a smaller one, the farthest first."""
    prefix = 32 - (containers + GATEWAY_AND_ENDS - 1).bit_length()
    if prefix >= NEIGHBOURHOOD:
        around = given.supernet(new_prefix=NEIGHBOURHOOD) if given.prefixlen > NEIGHBOURHOOD else given
        yield from reversed(list(around.subnets(new_prefix=prefix)))
