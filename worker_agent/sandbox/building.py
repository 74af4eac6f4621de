"""Carries a task's Dockerfile out inside its running sandbox, so that the task finds what its image would hold."""

import logging
import posixpath
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harbor.environments.base import ExecResult

from worker_agent.sandbox.dockerfile import Instruction, expand, read
from worker_agent.sandbox.errors import SandboxBuildError

_SHOWN_CHARACTERS = 2000  # of a failed step's output, from its end


class Place(Protocol):
    """The running sandbox, as far as a build needs it."""

    logger: logging.Logger

    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult: ...
    async def upload_file(self, source_path: Path | str, target_path: str) -> None: ...
    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None: ...


@dataclass(slots=True, kw_only=True)
class Image:
    """What a Dockerfile sets for all later commands."""

    workdir: str
    env: dict[str, str] = field(default_factory=dict)
    user: str | None = None


class Build:
    """One pass over a Dockerfile. `image` is good from the start and grows with each step."""

    def __init__(self, place: Place, *, context: Path, image: Image) -> None:
        self._place = place
        self._context = context.resolve()
        self.image = image
        self._arguments: dict[str, str] = {}
        self._shell = ["/bin/sh", "-c"]

    async def run(self) -> None:
        """Carry every instruction out, in order; the first that fails raises `SandboxBuildError`."""
        for instruction in read(self._context / "Dockerfile"):
            await self._step(instruction)

    async def _step(self, step: Instruction) -> None:
        self._place.logger.debug("%s %s", step.name, step.text)
        match step.name:
            case "FROM":
                self._place.logger.warning(
                    "No container engine: the image %s is not used; the task gets this host's programs instead.",
                    step.text,
                )
            case "ARG":
                name, _, value = step.text.partition("=")
                self._arguments[name.strip()] = self._expanded(value.strip("\"' "))
            case "ENV":
                self.image.env |= self._variables(step.text)
            case "WORKDIR":
                self.image.workdir = posixpath.join(self.image.workdir, self._expanded(step.text.strip()))
                await self._run(f"mkdir -p {shlex.quote(self.image.workdir)}", step=step, user="root", cwd="/")
            case "USER":
                self.image.user = self._expanded(step.text.strip())
            case "SHELL":
                self._shell = step.words()
            case "RUN":
                await self._run(self._command(step), step=step, user=self.image.user)
            case _:
                await self._copy(step)

    def _expanded(self, text: str) -> str:
        return expand(text, {**self._arguments, **self.image.env})

    def _variables(self, text: str) -> dict[str, str]:
        words = shlex.split(self._expanded(text))
        if "=" not in words[0]:
            name, _, value = text.partition(" ")
            return {name: self._expanded(value.strip())}
        return dict(word.split("=", 1) for word in words if "=" in word)

    def _command(self, step: Instruction) -> str:
        if words := step.array():
            return shlex.join(words)
        first, newline, rest = step.text.partition("\n")
        script = rest.rpartition("\n")[0] if newline and first.startswith("<<") else step.text
        return shlex.join([*self._shell, script])

    async def _copy(self, step: Instruction) -> None:
        *sources, target = [self._expanded(word) for word in step.words()]
        into_folder = target.endswith(("/", "/.")) or target == "." or len(sources) > 1
        target = posixpath.join(self.image.workdir, target)
        paths = [path for source in sources for path in self._find(source, step=step)]
        changed: list[str] = []
        for path in paths:
            if path.is_dir():
                await self._place.upload_dir(path, target)
                changed += [posixpath.join(target, entry.name) for entry in path.iterdir()]
            else:
                place = posixpath.join(target, path.name) if into_folder or len(paths) > 1 else target
                await self._place.upload_file(path, place)
                changed.append(place)
        for flag in step.flags:
            name, _, value = flag.partition("=")
            if name in ("--chown", "--chmod") and changed:
                await self._run(f"{name[2:]} -R {value} {shlex.join(changed)}", step=step, user="root")

    def _find(self, pattern: str, *, step: Instruction) -> list[Path]:
        """The files of the context that a source names; one that leaves the context names none."""
        relative = posixpath.normpath(pattern.lstrip("/"))
        found = [self._context] if relative == "." else sorted(self._context.glob(relative))
        inside = [path for path in found if path.resolve().is_relative_to(self._context)]
        if not inside:
            raise SandboxBuildError(f"{step.name} {step.text}: there is no {pattern!r} in {self._context.name}/")
        return inside

    async def _run(self, command: str, *, step: Instruction, user: str | None, cwd: str | None = None) -> None:
        variables = {**self._arguments, **self.image.env}
        result = await self._place.exec(command, cwd=cwd or self.image.workdir, env=variables, user=user or "root")
        output = (result.stdout or "").strip()
        if result.return_code != 0:
            line = f"{step.name} {step.text}".partition("\n")[0]
            raise SandboxBuildError(f"{line!r} ended with {result.return_code}:\n{output[-_SHOWN_CHARACTERS:]}")
        if output:
            self._place.logger.debug(output)
