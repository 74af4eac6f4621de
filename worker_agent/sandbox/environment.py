"""What Harbor talks to: a trial's environment in a sandbox of this host, with no container engine."""

import asyncio
import os
import posixpath
import shlex
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, override

from harbor.environments.base import BaseEnvironment, ExecResult
from harbor.environments.capabilities import EnvironmentCapabilities, EnvironmentResourceCapabilities
from harbor.environments.definition import COMPOSE_FILE_NAME, DOCKERFILE_NAME, require_agent_environment_definition
from harbor.models.task.config import NetworkMode, TaskOS

from worker_agent.limit_notes import KILLED, LimitNotes
from worker_agent.sandbox import availability, filesystem, transfer
from worker_agent.sandbox.building import Build, Image
from worker_agent.sandbox.errors import SandboxLostError, SandboxUnsupportedError
from worker_agent.sandbox.furniture import DEFAULT_WORKDIR
from worker_agent.sandbox.leftovers import remove_scratch, take_over
from worker_agent.sandbox.output import Output
from worker_agent.sandbox.sandbox import Confines, Order, Sandbox, may_map_all_users

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAR_TOLERATED = 1  # a file changed while it was read


class SandboxEnvironment(BaseEnvironment):
    """A trial in Linux namespaces. The task sees this host's programs and none of its data.

    Processes and memory are limited where this host allows control groups, so no limit is promised. With a public
    network it is the host's own: what listens on loopback or on an abstract socket there can be reached, and has to
    ask for a key.
    """

    def __init__(
        self,
        *args: Any,
        scratch: Path | str,
        hidden: Iterable[Path | str] = (),
        processes: int = 4096,
        memory_mb: int = 4096,
        notes: Path | str | None = None,
        **kwargs: Any,
    ) -> None:
        """`scratch`: a host directory for this trial alone. `hidden`: further host paths that no task may see.

        `processes` is the most it may have, `memory_mb` what it may use if the task does not say; `notes` is the file
        for what its end was about.
        """
        super().__init__(*args, **kwargs)
        self._confines = Confines(processes=processes, memory_mb=self.task_env_config.memory_mb or memory_mb)
        self._notes = LimitNotes(Path(notes) if notes else None, memory_mb=self._confines.memory_mb, logger=self.logger)
        self._place = Path(scratch).absolute() / self.session_id
        self._hidden = [Path(path).absolute() for path in hidden]
        self._image = Image(workdir=self.task_env_config.workdir or DEFAULT_WORKDIR)
        self._sandbox: Sandbox | None = None
        self._left_open: list[Output] = []
        self._users_warned = False

    @staticmethod
    @override
    def type() -> str:
        return "sandbox"

    @classmethod
    @override
    def preflight(cls) -> None:
        with ThreadPoolExecutor(1) as thread:  # Harbor calls this from within its event loop
            fault = thread.submit(asyncio.run, availability.why_unavailable(Path(tempfile.gettempdir()))).result()
        if fault:
            raise SystemExit(fault)

    @classmethod
    @override
    def resource_capabilities(cls) -> EnvironmentResourceCapabilities:
        return EnvironmentResourceCapabilities()

    @property
    @override
    def capabilities(self) -> EnvironmentCapabilities:
        return EnvironmentCapabilities(mounted=True, disable_internet=True)

    @override
    def _validate_definition(self) -> None:
        policies = (self._network_policy, *self._phase_network_policies)
        wishes = {
            f"brings a {COMPOSE_FILE_NAME}": (self.environment_dir / COMPOSE_FILE_NAME).exists(),
            "needs Windows": self.task_env_config.os == TaskOS.WINDOWS,
            "needs a GPU or TPU": bool(self.task_env_config.gpus or self.task_env_config.tpu),
            "limits its network to named hosts": any(p.network_mode == NetworkMode.ALLOWLIST for p in policies),
            "mounts more than directories": any(mount["type"] != "bind" for mount in self._mounts),
        }
        for wish, wanted in wishes.items():
            if wanted:
                raise SandboxUnsupportedError(f"the task {wish}: run it with a Docker engine (--environment docker)")
        require_agent_environment_definition(self.environment_dir, docker_image=self.task_env_config.docker_image)

    @override
    async def start(self, force_build: bool) -> None:
        await asyncio.to_thread(remove_scratch, self._place)
        self._place.mkdir(parents=True)
        binds = [(Path(m["source"]), m["target"], bool(m.get("read_only"))) for m in self._mounts]
        mounts = await asyncio.to_thread(filesystem.build, self._place, hidden=self._hidden, binds=binds)
        self._sandbox = await Sandbox.open(
            self._place, mounts=mounts, network=self._network_is_public, confines=self._confines
        )
        await self._build()
        await self._upload_environment_dir_after_start()

    @override
    async def stop(self, delete: bool) -> None:
        if self._sandbox is not None:
            sandbox, self._sandbox = self._sandbox, None
            self._notes.look(sandbox.groups)
            await sandbox.close()
            for mount in self._mounts:
                if not mount.get("read_only"):
                    await asyncio.to_thread(take_over, Path(mount["source"]))
        while self._left_open:
            await self._left_open.pop().close()
        await asyncio.to_thread(remove_scratch, self._place)

    @override
    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult:
        order = Order(
            argv=("/bin/bash", "-c", command),
            env={"PATH": _PATH, "LANG": "C.UTF-8", **self._image.env, **(self._merge_env(env) or {})},
            cwd=cwd or self._image.workdir,
            user=self._user(user),
        )
        emit = self._output_callback()
        output = Output((lambda text: emit(text, "stdout")) if emit else None)
        try:
            async with asyncio.timeout(timeout_sec or None):
                code = await self._run(order, output)
            if code == KILLED:
                self._notes.look(self._running().groups)
            return ExecResult(stdout=await output.finish() or None, return_code=code)
        except TimeoutError:
            raise RuntimeError(f"Command timed out after {timeout_sec} seconds") from None
        finally:
            await self._put_away(output)

    @override
    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        folder, name = posixpath.split(target_path)
        if not name or await self.is_dir(target_path, user="root"):
            folder, name = target_path, Path(source_path).name
        await self._unpack_inside(Path(source_path), folder or self._image.workdir, name=name)

    @override
    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        await self._unpack_inside(Path(source_dir), target_dir, name=None)

    @override
    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        quoted = shlex.quote(source_path)
        with tempfile.TemporaryFile(dir=self._place) as content:
            await self._transfer(f"test -f {quoted} && cat -- {quoted}", output=content)
            content.seek(0)
            await asyncio.to_thread(transfer.save, content, target=Path(target_path), name=Path(source_path).name)

    @override
    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        with tempfile.TemporaryFile(dir=self._place) as archive:
            await self._transfer(f"tar -cf - -C {shlex.quote(source_dir)} .", output=archive, tolerated=_TAR_TOLERATED)
            archive.seek(0)
            await asyncio.to_thread(transfer.unpack, archive, into=Path(target_dir))

    async def _build(self) -> None:
        """Carry the Dockerfile out, if the task brings one; an image's name alone says nothing that we could do."""
        if (self.environment_dir / DOCKERFILE_NAME).exists():
            await Build(self, context=self.environment_dir, image=self._image).run()
        else:
            self.logger.warning(
                "No container engine: the image %s is not used; the task gets this host's programs instead.",
                self.task_env_config.docker_image,
            )
        if workdir := self.task_env_config.workdir:
            self._image.workdir = workdir
        await self._transfer(f"mkdir -p {shlex.quote(self._image.workdir)}")

    def _user(self, user: str | int | None) -> str | int | None:
        wanted = self._resolve_user(user)
        wanted = self._image.user if wanted is None else wanted
        if wanted not in (None, "root", "0", 0) and not may_map_all_users() and not self._users_warned:
            self._users_warned = True
            self.logger.warning("Without root a sandbox has one user only: commands for %r run as its root.", wanted)
        return wanted

    async def _run(self, order: Order, output: Output) -> int:
        write_end = await output.open()
        try:
            return await self._running().run(order, output=write_end, errors=write_end)
        finally:
            os.close(write_end)

    async def _put_away(self, output: Output) -> None:
        if output.at_end:
            await output.close()
        else:
            self._left_open.append(output)

    async def _unpack_inside(self, source: Path, folder: str, *, name: str | None) -> None:
        with tempfile.TemporaryFile(dir=self._place) as archive:
            await asyncio.to_thread(transfer.pack, source, into=archive, name=name)
            quoted = shlex.quote(folder)
            await self._transfer(f"mkdir -p {quoted} && tar -xf - -C {quoted} --no-same-owner", source=archive)

    async def _transfer(
        self, command: str, *, source: IO[bytes] | None = None, output: IO[bytes] | None = None, tolerated: int = 0
    ) -> None:
        """Run a command as root with files as its standard streams; `RuntimeError` with its complaint if it fails."""
        order = Order(argv=("/bin/bash", "-c", command), env={"PATH": _PATH, "LANG": "C.UTF-8"})
        with tempfile.TemporaryFile(dir=self._place) as errors:
            stdin, stdout = (file.fileno() if file else None for file in (source, output))
            code = await self._running().run(order, stdin=stdin, output=stdout, errors=errors.fileno())
            errors.seek(0)
            if code > tolerated:
                complaint = errors.read().decode(errors="replace").strip()
                raise RuntimeError(f"{command!r} ended with {code} in the sandbox: {complaint}")

    def _running(self) -> Sandbox:
        if self._sandbox is None:
            raise SandboxLostError("the sandbox has not been started, or was stopped")
        return self._sandbox
