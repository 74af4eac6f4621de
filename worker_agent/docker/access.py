"""Commands and files in the containers of a trial, over the Engine API, with Harbor's own semantics."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any, override

from harbor.constants import MAIN_SERVICE_NAME
from harbor.environments.base import ExecResult
from harbor.environments.docker.docker import DockerEnvironment

from worker_agent.control_group import ControlGroup
from worker_agent.docker import archives, commands, host_side
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError
from worker_agent.limit_notes import KILLED, LimitNotes

MAKING_EXECUTABLE = re.compile(r"chmod \+x (?P<path>/[\w./-]+)")
ROOT = ("root", "0")


class ContainerAccess(DockerEnvironment):
    """The half of the environment that works on containers which run; the other half brings them up and down."""

    _memory_mb: int

    def __init__(
        self, *args: Any, docker_host: str | None = None, notes: str | Path | None = None, **words: Any
    ) -> None:
        super().__init__(*args, **words)
        self._notes_file = Path(notes) if notes else None
        self._notes: LimitNotes | None = None
        self._groups: list[ControlGroup] = []
        self._engine = Engine(docker_host)
        self._containers: dict[str, str] = {}
        """The id of each service's container; a flat trial has `main` only."""

    @property
    def _is_flat(self) -> bool:
        """Whether one container is all there is, and no Compose project."""
        return not (
            self._uses_compose
            or self._enable_egress_control
            or self._is_windows_container
            or self._effective_gpus
            or self.stream_enabled
        )

    @override
    async def prepare_logs_for_host(self) -> None:
        if os.getuid() != 0:  # root reads everything as it is
            await super().prepare_logs_for_host()

    @override
    async def _is_rootless_docker(self) -> bool:
        options = (await self._engine.json("GET", "/info")).get("SecurityOptions") or []
        return any("rootless" in option for option in options)

    @override
    async def _compose_exec(
        self,
        command: str,
        *,
        service: str,
        cwd: str | None,
        env: dict[str, str] | None,
        timeout_sec: int | None,
        user: str | int | None,
    ) -> ExecResult:
        if service not in self._containers:
            return ExecResult(stdout=f'service "{service}" is not running\n', return_code=1)
        if await self._is_made_executable(command, service=service, user=user):
            return ExecResult(return_code=0)
        shell = self._platform.exec_shell_args if service == MAIN_SERVICE_NAME else _sh
        callback = self._output_callback()
        run = commands.run(
            self._engine,
            self._containers[service],
            argv=shell(command),
            cwd=cwd,
            env=env,
            user=user,
            listener=(lambda text: callback(text, "stdout")) if callback else None,
        )
        try:
            output, code = await asyncio.wait_for(run, timeout_sec or None)
        except TimeoutError:
            raise RuntimeError(f"Command timed out after {timeout_sec} seconds") from None
        if code == KILLED:
            self._note_limits()
        return ExecResult(stdout=output or None, return_code=code)

    @override
    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        try:
            await archives.upload_file(self._engine, self._container(), source=Path(source_path), target=target_path)
        except EngineError:
            if self._is_flat:
                raise
            await super().upload_file(source_path, target_path)  # into a read-only root, say: Harbor knows more ways

    @override
    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        try:
            await archives.upload_dir(self._engine, self._container(), source=Path(source_dir), target=target_dir)
        except EngineError:
            if self._is_flat:
                raise
            await super().upload_dir(source_dir, target_dir)

    @override
    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        await self.service_download_file(source_path, target_path)

    @override
    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        await self.service_download_dir(source_dir, target_dir)

    @override
    async def service_download_file(
        self, source_path: str, target_path: Path | str, *, service: str | None = None
    ) -> None:
        await archives.download(self._engine, self._container(service), source=source_path, target=Path(target_path))

    @override
    async def service_download_dir(
        self, source_dir: str, target_dir: Path | str, *, service: str | None = None
    ) -> None:
        await archives.download(
            self._engine, self._container(service), source=f"{source_dir}/.", target=Path(target_dir)
        )

    async def _is_made_executable(self, command: str, *, service: str, user: str | int | None) -> bool:
        """Whether the command was no more than what Harbor runs before each script, and is done without one."""
        words = MAKING_EXECUTABLE.fullmatch(command)
        if not words or str(user) not in ROOT or self._is_windows_container:
            return False
        return await host_side.make_executable(self._engine, self._containers[service], words["path"])

    def _watch_limits(self, pid: int) -> None:
        """Look from now on at what the kernel ends or refuses in the container of that first process."""
        if pid and (group := ControlGroup.of(pid)):
            self._groups.append(group)

    def _note_limits(self) -> None:
        if self._notes is None:
            self._notes = LimitNotes(self._notes_file, memory_mb=self._memory_mb, logger=self.logger)
        self._notes.look(self._groups)

    def _container(self, service: str | None = None) -> str:
        try:
            return self._containers[service or MAIN_SERVICE_NAME]
        except KeyError as error:
            raise RuntimeError(f'service "{service or MAIN_SERVICE_NAME}" is not running') from error


def _sh(command: str) -> list[str]:
    return ["sh", "-c", command]
