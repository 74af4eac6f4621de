"""One trial that the nursery goes through before it forks: what Harbor makes on first use is then made once for all.

Caches, serializers, late imports and specialised code are filled here, in pages that the trials' processes share,
instead of in each of them. It is a trial by Harbor from its order to its result, in an environment where nothing
happens.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, override

from harbor.environments.base import BaseEnvironment, ExecResult
from harbor.environments.capabilities import EnvironmentCapabilities

from worker_agent.trial import run

REWARD = "1"
_TASK = {
    "task.toml": 'schema_version = "1.4"\n[task]\nname = "flotilla/rehearsal"\n[agent]\ntimeout_sec = 60\n'
    '[verifier]\ntimeout_sec = 60\n[environment]\ndocker_image = "none"\n',
    "instruction.md": "Nothing is to be done.\n",
    "environment/file.txt": "something to upload\n",
    "solution/solve.sh": "#!/bin/sh\n",
    "tests/test.sh": "#!/bin/sh\n",
}


class EmptyStage(BaseEnvironment):
    """An environment without any place: each command succeeds, and the verifier finds its reward."""

    @staticmethod
    @override
    def type() -> str:
        return "rehearsal"

    @property
    @override
    def capabilities(self) -> EnvironmentCapabilities:
        return EnvironmentCapabilities(mounted=True)

    @override
    def _validate_definition(self) -> None:
        """Whatever is defined, nothing of it is made."""

    @override
    async def start(self, force_build: bool) -> None:
        """Nothing to start."""

    @override
    async def stop(self, delete: bool) -> None:
        """Nothing to stop."""

    @override
    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        """To nowhere."""

    @override
    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        """To nowhere."""

    @override
    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        """From nowhere."""

    @override
    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        """From nowhere."""

    @override
    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult:
        self.trial_paths.reward_text_path.write_text(REWARD, encoding="utf-8")
        return ExecResult(return_code=0)


def rehearse(scratch: Path) -> None:
    """Goes through it in a directory among those of trials, which is removed. Raises what Harbor raises."""
    trials = scratch / "trials"
    trials.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rehearsal-", dir=trials) as name:
        play(Path(name))


def play(place: Path) -> Path:
    """One trial below `place`; its directory."""
    for file, content in _TASK.items():
        target = place / "task" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    run(**_order(place))
    return place / "trials" / "rehearsal"


def _order(place: Path) -> dict[str, Any]:
    return {
        "name": "rehearsal",
        "task": str(place / "task"),
        "trials": str(place / "trials"),
        "outcome": str(place / "outcome.json"),
        "agent_name": "oracle",
        "agent_model": None,
        "agent_kwargs": {},
        "secrets": (),
        "environment": {"import_path": f"{__name__}:{EmptyStage.__name__}"},
        "build_patience": 1.0,
        "default_agent_seconds": 60.0,
        "override_agent_seconds": None,
    }
