"""Harbor's Docker environment over the Engine API: plain tasks run flat, those with a Compose file by `compose up`."""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, override

from harbor.constants import MAIN_SERVICE_NAME
from harbor.environments.base import ExecResult, OutputCallback
from harbor.environments.capabilities import EnvironmentCapabilities
from harbor.environments.definition import should_use_prebuilt_docker_image
from harbor.environments.docker.docker import DockerEnvironment, _sanitize_docker_compose_project_name
from harbor.models.task.config import NetworkPolicy
from harbor.models.trial.config import ResourceMode
from harbor.utils.container_cache import docker_build_context_hash

from flotilla.task.compose import HostFolder
from worker_agent.docker import compose_command, containers
from worker_agent.docker.access import ContainerAccess
from worker_agent.docker.commands import Listener
from worker_agent.docker.composition import Additions, read
from worker_agent.docker.cut_off import is_cut_off
from worker_agent.docker.errors import ComposeMissingError, EngineError, EngineUnavailableError, ImageGoneError
from worker_agent.docker.governor import Governor
from worker_agent.docker.host_access import refuse_files
from worker_agent.docker.images import Images
from worker_agent.docker.leftovers import remove_container
from worker_agent.docker.mounts import opened
from worker_agent.docker.networks import Network
from worker_agent.docker.project import Project

LOG_MAX_SIZE = "1m"
"""Of what a container's own first program writes; commands in it have their output elsewhere."""

WORKER = "flotilla.worker"
"""The only label that a network gets which trials share."""

SESSION = "flotilla.session"
HOST_VARIABLES = re.compile(r"(PATH|HOME)$|(BUILDKIT|BUILDX|COMPOSE|DOCKER|GIT|LD|SSH|XDG)_")
"""What the variables of a task must not change for the programs that run on the host."""


class DockerTrialEnvironment(ContainerAccess):
    """Everything that Harbor's does, with the same verdicts, for a fraction of the work.

    Its own keyword arguments come from the trial's configuration: `lock_dir`, the same for all trials of the host;
    `labels` for every container, network and volume; `network` and its `subnet` for flat containers; limits; whether a
    Compose file may ask for what is the host's.
    """

    def __init__(
        self,
        *args: Any,
        lock_dir: str | Path,
        labels: Mapping[str, str] | None = None,
        network: str = "bridge",
        subnet: str | None = None,
        containers_at_once: int = 1,
        processes: int = 4096,
        memory_mb: int = 4096,
        allow_host_access: bool = False,
        **words: Any,
    ) -> None:
        # Harbor asks for capabilities while it initialises.
        self._is_cut_off = is_cut_off(**words)
        super().__init__(*args, **words)
        self._memory_mb = self._resource_limit_value("memory", auto_mode=ResourceMode.LIMIT) or memory_mb
        self._additions = Additions(
            labels={**(labels or {}), SESSION: self.session_id},
            pids_limit=processes,
            memory_mb=memory_mb,
            memory_mb_of_main=self._memory_mb,
            log_max_size=LOG_MAX_SIZE,
        )
        of_worker = {name: text for name, text in (labels or {}).items() if name == WORKER}
        self._network = Network(name=network, subnet=subnet, labels=of_worker, containers=containers_at_once)
        self._allow_host_access = allow_host_access
        self._governor = Governor(directory=Path(lock_dir))
        self._images = Images(engine=self._engine, governor=self._governor, say=self.logger.info)
        self._name = _sanitize_docker_compose_project_name(self.session_id)
        self._project: Project | None = None

    @property
    @override
    def capabilities(self) -> EnvironmentCapabilities:
        offered = super().capabilities
        return offered.model_copy(update={"disable_internet": True}) if self._is_cut_off else offered

    @override
    def _requires_egress_control(  # type: ignore[override] # Harbor's is static, and asked through the instance
        self, *, startup_network_policy: NetworkPolicy, phase_network_policies: Sequence[NetworkPolicy]
    ) -> bool:
        # What never has a network needs no one to watch over it.
        return not self._is_cut_off and DockerEnvironment._requires_egress_control(
            startup_network_policy=startup_network_policy, phase_network_policies=phase_network_policies
        )

    @override
    async def start(self, force_build: bool) -> None:
        if self._is_held_to_bounds:
            refuse_files(self.environment_dir)
        self._use_prebuilt = should_use_prebuilt_docker_image(
            self.environment_dir, docker_image=self.task_env_config.docker_image, force_build=force_build
        )
        self._env_vars.main_image_name = await asyncio.to_thread(self._image_by_content)
        project = self._project = self._made_project()
        if self._is_flat:
            await self._start_flat(project)
        else:
            await super().start(force_build)

    def _image_by_content(self) -> str:
        # Harbor's name does not tell modes and links apart, which a Dockerfile copies too.
        return f"{self._main_image_name}:{docker_build_context_hash(context=self.environment_dir)}"

    async def _start_flat(self, project: Project) -> None:
        try:
            container, plan = await self._started_flat(project)
        except ImageGoneError:  # somebody else's clean-up took it between its making and its use
            container, plan = await self._started_flat(project)
        await containers.healthy(self._engine, container)
        dirs = opened(self._mounts) if plan.init else self._mount_targets(writable_only=True)
        made = await self.ensure_dirs(dirs)
        if made and made.return_code != 0:
            await containers.healthy(self._engine, container)  # a program of the image's own has most often ended
        await self._upload_environment_dir_after_start()

    async def _started_flat(self, project: Project) -> tuple[str, containers.ContainerPlan]:
        image = await self._flat_image(project)
        workdir = self.task_env_config.workdir or containers.workdir(image)
        self.task_env_config = self.task_env_config.model_copy(update={"workdir": workdir})
        plan = self._plan(image)
        async with self._governor.starting():
            if plan.network == self._network.name:
                await self._network.ensure(self._engine, self._governor)
            container = self._containers[MAIN_SERVICE_NAME] = await containers.create(self._engine, plan)
            self._watch_limits(await containers.start(self._engine, container))
        return container, plan

    async def _flat_image(self, project: Project) -> dict[str, Any]:
        if self._use_prebuilt:
            name = str(self.task_env_config.docker_image)
            image = await self._images.pulled(name)
        else:
            name = self._main_image_name
            await project.build(seconds=self.task_env_config.build_timeout_sec)
            image = await self._images.find(name) or {}
        await self._validate_image_os(name)
        return image | {"Name": name}

    def _plan(self, image: Mapping[str, Any]) -> containers.ContainerPlan:
        hostname = hashlib.sha256(self._name.encode()).hexdigest()[:12]
        return containers.ContainerPlan(
            name=self._name,
            image=image["Name"],
            env=self._startup_env(),
            labels=self._additions.labels,
            mounts=self._mounts,
            cpus=self._resource_limit_value("cpu", auto_mode=ResourceMode.LIMIT),
            memory_mb=self._memory_mb,
            pids_limit=self._additions.pids_limit,
            log_max_size=self._additions.log_max_size,
            init=not containers.has_entry_point(image),
            network="none" if self._is_cut_off else self._network.name,
            hostname=hostname,
            # Without a network the engine writes no line for the container's own name.
            extra_hosts=[f"{hostname}:127.0.0.1"] if self._is_cut_off else [],
        )

    def _made_project(self) -> Project:
        main: dict[str, Any] = {"image": self.task_env_config.docker_image} if self._use_prebuilt else {"build": {}}
        return Project(
            name=self._name,
            image=self._main_image_name,
            composition=read(self._user_compose_paths(), main=main),
            additions=self._additions,
            bounds=self._bounds() if self._is_held_to_bounds else None,
            harbors_services=[self._EGRESS_CONTROL_SERVICE_NAME] if self._enable_egress_control else [],
            folder=tempfile.TemporaryDirectory(prefix="flotilla-compose-"),
            engine=self._engine,
            governor=self._governor,
            images=self._images,
            compose=self._compose,
        )

    @property
    def _is_held_to_bounds(self) -> bool:
        return not self._allow_host_access and self._environment_docker_compose_path.exists()

    def _bounds(self) -> HostFolder:
        own = {Path(mount["source"]) for mount in self._mounts if mount["type"] == "bind" and "source" in mount}
        return HostFolder(root=self.environment_dir, own=own)

    async def _compose(
        self, command: Sequence[str], *, seconds: float, listener: Listener | None = None, patience: float = 0
    ) -> tuple[str, int]:
        folder = self.environment_dir.resolve()
        files = [word for path in self._docker_compose_paths for word in ("-f", str(path.resolve()))]
        argv = ["docker", "compose", "--project-name", self._name, "--project-directory", str(folder), *files, *command]
        env, cwd = self._compose_env_vars(), folder if folder.is_dir() else Path.cwd()
        try:
            output, code = await compose_command.run(
                argv, env=env, cwd=cwd, seconds=seconds, listener=listener, patience=patience
            )
        except FileNotFoundError as fault:
            raise ComposeMissingError(fault) from fault
        if code != 0 and "unknown flag: --project-name" in output:  # said by a command line without the plugin
            raise ComposeMissingError(output.splitlines()[0])
        return output, code

    @override
    async def _run_docker_compose_command(
        self,
        command: list[str],
        check: bool = True,
        timeout_sec: int | None = None,
        stdin_data: bytes | None = None,
        on_output: OutputCallback | None = None,
    ) -> ExecResult:
        build_seconds = self.task_env_config.build_timeout_sec
        match command[0], self._project:
            case "build", Project() as project:
                await project.build(seconds=build_seconds)
            case "up", Project() as project:
                self._containers = await project.up(command, build_seconds=build_seconds)
                for container in self._containers.values():
                    self._watch_limits(await containers.first_process(self._engine, container))
            case "down", _:
                await self._remove()
            case _:
                limit = timeout_sec or compose_command.LONGEST_SECONDS
                work = super()._run_docker_compose_command(command, check, limit, stdin_data, on_output)
                return await (work if timeout_sec else compose_command.blaming_the_engine(work))
        return ExecResult(return_code=0)

    @property
    @override
    def _docker_compose_paths(self) -> list[Path]:
        return [*super()._docker_compose_paths, *([self._project.overlay] if self._project else [])]

    @override
    def _compose_env_vars(self, include_os_env: bool = True) -> dict[str, str]:
        given = super()._compose_env_vars(include_os_env)
        theirs = {name: text for name, text in given.items() if not HOST_VARIABLES.match(name)}
        ours = {name: text for name, text in os.environ.items() if HOST_VARIABLES.match(name)}
        return {**theirs, **ours, "DOCKER_HOST": self._engine.host}

    @override
    def _validate_daemon_mode(self) -> None:
        if self._is_windows_container:
            super()._validate_daemon_mode()

    @override
    async def _validate_image_os(self, image_name: str) -> None:
        image = await self._images.find(image_name)
        wanted = "windows" if self._is_windows_container else "linux"
        if image and image["Os"] != wanted:
            raise RuntimeError(
                f"the task is for {wanted}, its image {image_name} for {image['Os']}: change one of them"
            )

    @override
    async def stop(self, delete: bool) -> None:
        self._note_limits()
        try:
            if self._is_flat:
                await self._stop_flat()
            else:
                await super().stop(delete)
        except asyncio.CancelledError:
            # Harbor shields this from all but an event loop that closes; what that cut off is begun anew.
            await self._remove()
            raise
        finally:
            if self._project is not None:
                self._project.folder.cleanup()
            self._project = None
            self._containers.clear()
            self._images.release()

    async def _stop_flat(self) -> None:
        await self.prepare_logs_for_host()
        if self._keep_containers:
            await self._engine.json("POST", f"/containers/{self._name}/stop", query={"t": 1})
        else:
            await self._remove()

    async def _remove(self) -> None:
        try:
            if self._is_flat:
                await remove_container(self._engine, self._name)
            elif self._project is not None:
                await self._project.remove()
        except (EngineError, EngineUnavailableError) as error:
            # A graded trial stays graded; what stays has its labels, and the janitor will see it.
            self.logger.error(f"The containers of {self._name} could not be removed: {error}")
