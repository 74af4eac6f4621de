"""A trial's Compose project: its images, its way up, and its removal."""

import json
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harbor.constants import MAIN_SERVICE_NAME

from flotilla.task.compose import HostFolder
from worker_agent.docker.commands import Listener
from worker_agent.docker.composition import Additions, Composition, overlay, own_image, resolved
from worker_agent.docker.containers import has_entry_point
from worker_agent.docker.engine import Engine, named
from worker_agent.docker.errors import ComposeFileError, ContainerStartError
from worker_agent.docker.governor import Governor
from worker_agent.docker.host_access import refuse_resolved
from worker_agent.docker.images import Build, Images, Say
from worker_agent.docker.leftovers import delete, remove_labelled
from worker_agent.docker.repetition import compose_may_repeat, pause

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
KEPT_OUTPUT = 4000
READ_SECONDS = 60.0  # for files alone
UP_SECONDS = 900.0
"""For all services to start and say that they are healthy; a task whose build may take longer has as long for this."""
UP_ATTEMPTS = 3
BUILD_ATTEMPTS = 2
PATIENCE_SECONDS = 10.0
"""How long a start that nobody wants any more may take to end by itself; without health checks that is a second."""


class Compose(Protocol):
    """Runs `docker compose` with all files of the project: all it wrote, and its exit code."""

    def __call__(
        self, command: Sequence[str], *, seconds: float, listener: Listener | None = None, patience: float = 0
    ) -> Awaitable[tuple[str, int]]: ...


@dataclass(slots=True, kw_only=True)
class Project:
    """One project. `image` is the name that the content of the task gives to what is built from it."""

    name: str
    image: str
    composition: Composition
    """What is known of it; of files that include or extend others, Compose is asked before anything is done."""
    additions: Additions
    bounds: HostFolder | None
    """What its files may name on this host; None where the deployment allows everything, or no file is the task's."""
    harbors_services: Sequence[str]
    folder: tempfile.TemporaryDirectory[str]
    engine: Engine
    governor: Governor
    images: Images
    compose: Compose

    @property
    def overlay(self) -> Path:
        """The Compose file of ours, which goes on top of all others."""
        return Path(self.folder.name) / "flotilla.json"

    async def build(self, *, seconds: float) -> None:
        """Have every image that the task builds, within the time limit.

        Raises `ComposeFileError`, and what `Images.built` raises.
        """
        await self._complete()
        self._write_overlay(init=False)
        await self._admit()
        if self.composition.is_built_by_content():
            await self.images.built(list(self._names().values()), build=self._building(seconds), seconds=seconds)
        else:
            await self.images.rebuilt(self.name, build=self._building(seconds), seconds=seconds)

    async def up(self, command: Sequence[str], *, build_seconds: float) -> dict[str, str]:
        """Start every service and wait as Compose does; the container of each.

        Raises `ComposeFileError` before anything is started, and `ContainerStartError`.
        """
        await self._complete()
        for image in self.composition.pulled():
            await self.images.pulled(image)
        if self.composition.built() and MAIN_SERVICE_NAME not in self.composition.built():
            await self.build(seconds=build_seconds)  # Harbor builds only for the sake of `main`
        self._write_overlay(init=await self._may_have_init())
        await self._admit()
        async with self.governor.starting():
            output, code = await self._started(command, seconds=max(UP_SECONDS, build_seconds))
        if code != 0:
            ending = output[-KEPT_OUTPUT:].strip()
            raise ContainerStartError(f"docker compose could not start the services:\n{ending}")
        return await self._containers()

    async def remove(self) -> None:
        """Remove its containers, networks and volumes, and the images that only this project has a name for."""
        await remove_labelled(self.engine, {PROJECT: self.name})
        if not self.composition.is_built_by_content():
            query = {"filters": json.dumps({"reference": [f"{self.name}-*"]})}
            for image in await self.engine.json("GET", "/images/json", query=query):
                for name in image["RepoTags"]:
                    await delete(self.engine, f"/images/{named(name)}")

    async def _complete(self) -> None:
        """Know every service, so that none is without our limits."""
        if not self.composition.complete:
            self.overlay.write_text(json.dumps({"services": {}}))  # what the services themselves state is asked
            self.composition = resolved(json.loads(await self._resolved()), without=self.harbors_services)
            if MAIN_SERVICE_NAME not in self.composition.services:
                raise ComposeFileError(f"the service {MAIN_SERVICE_NAME} would not be started: take it out of profiles")

    async def _admit(self) -> None:
        """Refuse what reaches beyond the task's own containers, by what Compose itself makes of all files."""
        if self.bounds is not None:
            granted = dict.fromkeys(self.harbors_services, ("NET_ADMIN",))
            refuse_resolved(await self._resolved(), folder=self.bounds, project=self.name, granted=granted)

    async def _resolved(self) -> str:
        """What Compose makes of all files, as JSON. Raises `ComposeFileError`."""
        written = Path(self.folder.name) / "resolved.json"
        command = ["config", "--format", "json", "--output", str(written)]
        output, code = await self.compose(command, seconds=READ_SECONDS)
        if code != 0:
            raise ComposeFileError(f"docker compose cannot read the files:\n{output[-KEPT_OUTPUT:].strip()}")
        return written.read_text()

    async def _started(self, command: Sequence[str], *, seconds: float) -> tuple[str, int]:
        """Compose goes on from what there is, so that it may be asked again."""
        for attempt in range(1, UP_ATTEMPTS + 1):
            output, code = await self.compose(command, seconds=seconds, patience=PATIENCE_SECONDS)
            if code == 0 or attempt == UP_ATTEMPTS or not compose_may_repeat(output):
                break
            await pause(attempt)
        return output, code

    def _building(self, seconds: float) -> Build:
        async def build(say: Say) -> int:
            async def hear(text: str) -> None:
                if line := text.rstrip():
                    say(line)

            for attempt in range(1, BUILD_ATTEMPTS + 1):
                output, code = await self.compose(["build"], seconds=seconds, listener=hear)
                if code == 0 or attempt == BUILD_ATTEMPTS or not compose_may_repeat(output[-KEPT_OUTPUT:]):
                    break
                await pause(attempt)
            return code

        return build

    def _names(self) -> dict[str, str]:
        """The names that we give to what the services build; none where only Compose knows what that is."""
        if not self.composition.is_built_by_content():
            return {}
        repository, _, tag = self.image.partition(":")
        return {
            service: self.image if service == MAIN_SERVICE_NAME else f"{repository}--{service.lower()}:{tag}"
            for service in self.composition.built()
        }

    def _write_overlay(self, *, init: bool) -> None:
        words = overlay(
            self.composition,
            additions=self.additions,
            images=self._names(),
            init=init,
            others=self.harbors_services,
            project=self.name,
        )
        self.overlay.write_text(json.dumps(words))

    async def _may_have_init(self) -> bool:
        main = self.composition.services[MAIN_SERVICE_NAME]
        own = own_image(self.name, MAIN_SERVICE_NAME)
        name = self._names().get(MAIN_SERVICE_NAME) or (own if "build" in main else str(main.get("image", own)))
        image = None if "$" in name else await self.images.find(name)
        return image is not None and not has_entry_point(image)

    async def _containers(self) -> dict[str, str]:
        query = {"filters": json.dumps({"label": [f"{PROJECT}={self.name}"]})}
        found: list[Mapping[str, Any]] = await self.engine.json("GET", "/containers/json", query=query)
        last_first = sorted(found, key=lambda container: int(container["Labels"].get(NUMBER, 1)), reverse=True)
        return {container["Labels"][SERVICE]: container["Id"] for container in last_first}
