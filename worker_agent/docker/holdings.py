"""What the containers of trials hold of this host: where they write, and which of its processes is their first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Of one container: the folders of the host that its writes go to, and its first process."""

    folders: tuple[str, ...]
    pid: int


class Holdings:
    """Of all containers with some labels, each looked at once: neither its folders nor its first process change."""

    def __init__(self, engine: Engine, labels: Mapping[str, str], *, of: str) -> None:
        self._engine = engine
        self._query = {"filters": json.dumps({"label": [f"{name}={text}" for name, text in labels.items()]})}
        self._label = of
        self._known: dict[str, Holding] = {}

    async def look(self) -> Mapping[str, list[Holding]]:
        """Those that run now, by the value of their label `of`. Raises what the engine's calls raise."""
        running: list[Mapping[str, Any]] = await self._engine.json("GET", "/containers/json", query=self._query)
        self._known = {one["Id"]: self._known[one["Id"]] for one in running if one["Id"] in self._known}
        found: dict[str, list[Holding]] = {}
        for one in running:
            holding = self._known.get(one["Id"]) or await self._seen(one["Id"])
            if holding is not None and self._label in one["Labels"]:
                self._known[one["Id"]] = holding
                found.setdefault(one["Labels"][self._label], []).append(holding)
        return found

    async def _seen(self, container: str) -> Holding | None:
        try:
            words = await self._engine.json("GET", f"/containers/{container}/json")
        except EngineError as error:
            if error.status == 404:  # it has ended since
                return None
            raise
        layer = (words.get("GraphDriver", {}).get("Data") or {}).get("UpperDir")
        volumes = [mount["Source"] for mount in words["Mounts"] if mount["Type"] == "volume"]
        folders = (*([layer] if layer else []), *volumes)
        return Holding(folders=folders, pid=words["State"]["Pid"]) if words["State"]["Running"] else None
