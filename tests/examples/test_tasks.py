"""Every example ends as its description promises."""

import asyncio
import tomllib
from pathlib import Path

import pytest
from harbor import Trial, TrialAgentConfig, TrialConfig, TrialEnvironmentConfig, TrialTaskConfig
from harbor.models.task.task import Task
from harbor.models.trial.result import TrialResult

from worker_agent.sandbox.errors import SandboxUnsupportedError

# Harbor deprecates a property that it uses itself.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

TASKS = Path(__file__).parents[2] / "examples" / "tasks"
# Name → reward and exception, which the description in its task.toml says in words.
ENDS = {
    "broken-verifier": (None, "RewardFileNotFoundError"),
    "hello": (1.0, None),
    "multi-step": (0.75, None),
    "out-of-time": (0.0, "AgentTimeoutError"),
    "partial-credit": (0.6, None),
}


def run(name: str, tmp_path: Path) -> TrialResult:
    async def scenario() -> TrialResult:
        trial = await Trial.create(
            TrialConfig(
                task=TrialTaskConfig(path=TASKS / name),
                trial_name=name,
                trials_dir=tmp_path,
                agent=TrialAgentConfig(name="oracle"),
                environment=TrialEnvironmentConfig(
                    import_path="worker_agent.sandbox.environment:SandboxEnvironment",
                    kwargs={"scratch": str(tmp_path / "scratch")},
                ),
            )
        )
        return await trial.run()

    return asyncio.run(scenario())


def test_every_example_is_known_here() -> None:
    assert {path.name for path in TASKS.iterdir()} == {*ENDS, "sidecar"}


@pytest.mark.parametrize("path", sorted(TASKS.iterdir()), ids=lambda path: path.name)
def test_harbor_accepts_the_example(path: Path) -> None:
    task = Task(path)
    assert task.name == f"flotilla/{path.name}"
    texts = [file.read_text() for file in path.rglob("instruction.md")]
    assert any("*What this example shows:*" in text for text in texts)


@pytest.mark.parametrize("name", ENDS)
def test_the_example_ends_as_promised(name: str, tmp_path: Path) -> None:
    result = run(name, tmp_path)
    rewards = (result.verifier_result.rewards if result.verifier_result else None) or {}
    exception = result.exception_info.exception_type if result.exception_info else None
    assert (rewards.get("reward"), exception) == ENDS[name]
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize("name", ENDS)
def test_the_description_says_how_the_example_ends(name: str) -> None:
    reward, exception = ENDS[name]
    promise = tomllib.loads((TASKS / name / "task.toml").read_text())["metadata"]["ends"]
    assert (f"reward {reward}" in promise) == (reward is not None)
    assert exception is None or exception in promise


def test_a_sandbox_refuses_the_example_with_a_sidecar(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnsupportedError, match="Docker engine"):
        run("sidecar", tmp_path)
