"""Small Harbor tasks for the tests, built from one local image, and real trials of them by Harbor itself."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harbor import Trial, TrialAgentConfig, TrialConfig, TrialEnvironmentConfig, TrialTaskConfig
from harbor.models.trial.result import TrialResult

from worker_agent.docker.engine import Engine

IMAGE = "debian:bookworm-slim"
ENVIRONMENT = "worker_agent.docker.environment:DockerTrialEnvironment"
SIDECAR = """
services:
  main:
    depends_on: [db]
  db:
    image: debian:bookworm-slim
    command: ["sh", "-c", "sleep infinity"]
    volumes: ["data:/data"]
volumes:
  data:
"""

IMAGE_LABEL = "flotilla.test"
REWARD_IF_DONE = 'test -f /done && reward=1 || reward=0\necho "{\\"reward\\": $reward}" > /logs/verifier/reward.json'


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What a task of a test is made of; `environment` are files, `settings` is TOML under `[environment]`."""

    solve: str = "touch /done"
    verify: str = REWARD_IF_DONE
    settings: str = ""
    more: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: {"Dockerfile": f"FROM {IMAGE}\n"})

    def write(self, folder: Path) -> Path:
        """Make the task directory; its path."""
        files = {
            "task.toml": f'version = "1.0"\n[environment]\nbuild_timeout_sec = 120.0\n{self.settings}\n{self.more}\n',
            "instruction.md": "Do it.\n",
            "solution/solve.sh": f"#!/bin/bash\n{self.solve}\n",
            "tests/test.sh": f"#!/bin/bash\n{self.verify}\n",
            **{f"environment/{name}": text for name, text in self.environment.items()},
        }
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "environment").mkdir(exist_ok=True)
        return folder


PREBUILT = TaskSpec(settings=f'docker_image = "{IMAGE}"', environment={})


def unique(text: str) -> dict[str, str]:
    """An environment whose image nobody has built before."""
    return {"Dockerfile": f"FROM {IMAGE}\n{text}\nLABEL {IMAGE_LABEL}={uuid.uuid4().hex}\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs trials below one folder, all containers labelled for the test."""

    folder: Path
    labels: Mapping[str, str]
    network: str
    allow_host_access: bool = False

    async def trial(self, spec: TaskSpec, *, ours: bool = True, **words: Any) -> Trial:
        """A trial of a new task directory, not run yet; `words` go to the agent's configuration."""
        name = f"trial-{uuid.uuid4().hex[:12]}"
        task = spec.write(self.folder / name / "task")
        return await self.trial_of(task, name=name, ours=ours, **words)

    async def trial_of(self, task: Path, *, name: str, ours: bool = True, **words: Any) -> Trial:
        """A trial of a task directory that is there."""
        environment = self._ours() if ours else self._harbors()
        return await Trial.create(
            TrialConfig(
                task=TrialTaskConfig(path=task),
                trial_name=name,
                trials_dir=self.folder / "trials",
                agent=TrialAgentConfig(**{"name": "oracle", **words}),
                environment=environment,
                environment_build_timeout_multiplier=2.0,
            )
        )

    def _ours(self) -> TrialEnvironmentConfig:
        kwargs: dict[str, Any] = {
            "lock_dir": str(self.folder / "locks"),
            "labels": dict(self.labels),
            "network": self.network,
        }
        kwargs["allow_host_access"] = self.allow_host_access
        return TrialEnvironmentConfig(import_path=ENVIRONMENT, kwargs=kwargs)

    def _harbors(self) -> TrialEnvironmentConfig:
        overlay = self.folder / "overlay.yaml"
        overlay.write_text("services: {main: {init: true}}")  # else every stop takes ten seconds
        return TrialEnvironmentConfig(extra_docker_compose=[overlay])

    async def run(self, spec: TaskSpec, *, ours: bool = True, **words: Any) -> TrialResult:
        """The result of a trial that was run to its end."""
        return await (await self.trial(spec, ours=ours, **words)).run()


def reward(result: TrialResult) -> float | None:
    """The reward of a graded trial."""
    rewards = result.verifier_result.rewards if result.verifier_result else None
    return None if rewards is None else float(rewards["reward"])


def fault(result: TrialResult) -> str | None:
    """The class of the exception that Harbor recorded."""
    return result.exception_info.exception_type if result.exception_info else None


async def labelled(engine: Engine, labels: Mapping[str, str]) -> list[Any]:
    """The containers that have all these labels, running or not."""
    filters = json.dumps({"label": [f"{name}={text}" for name, text in labels.items()]})
    return list(await engine.json("GET", "/containers/json", query={"all": 1, "filters": filters}))
