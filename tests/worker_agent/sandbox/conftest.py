"""Running sandboxes for tests, and the proof after each test that nothing of them is left."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harbor.models.task.config import EnvironmentConfig, NetworkMode, NetworkPolicy
from harbor.models.trial.paths import TrialPaths

from worker_agent.sandbox.environment import SandboxEnvironment

Starting = Callable[..., contextlib.AbstractAsyncContextManager[SandboxEnvironment]]


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., SandboxEnvironment]:
    """Makes an environment like Harbor makes it, not yet started; each in a scratch directory of its own."""

    def make(
        name: str = "trial", *, dockerfile: str | None = None, offline: bool = True, **options: Any
    ) -> SandboxEnvironment:
        context = tmp_path / name / "environment"
        context.mkdir(parents=True, exist_ok=True)
        if dockerfile is not None:
            (context / "Dockerfile").write_text(dockerfile)
        policy = NetworkPolicy(network_mode=NetworkMode.NO_NETWORK if offline else NetworkMode.PUBLIC)
        settings = options.pop("settings", {}) | ({} if dockerfile is not None else {"docker_image": "debian"})
        return SandboxEnvironment(
            environment_dir=context,
            environment_name=name,
            session_id=f"{name}__{uuid.uuid4().hex}",  # it names a group of the host, where others test beside us
            trial_paths=TrialPaths(tmp_path / name),
            task_env_config=EnvironmentConfig(**settings),
            network_policy=policy,
            **{"scratch": tmp_path / "scratch" / name, **options},
        )

    return make


@pytest.fixture
def started(environment: Callable[..., SandboxEnvironment]) -> Starting:
    """The same, started, and stopped at the end of the block."""

    @contextlib.asynccontextmanager
    async def start(*args: Any, **options: Any) -> AsyncIterator[SandboxEnvironment]:
        sandbox = environment(*args, **options)
        try:
            await sandbox.start(force_build=False)
            yield sandbox
        finally:
            await sandbox.stop(delete=True)

    return start


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No mount, no process and no scratch file outlives a test."""
    yield
    scratch = tmp_path / "scratch"
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert keepers_below(os.getpid()) == []
    assert list(scratch.glob("*/*")) == []


def keepers_below(parent: int) -> list[int]:
    """The processes that `parent` has started and that still run a sandbox."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if b"keeper.main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
