"""Our environment and Harbor's own come to the same verdicts and leave the same files."""

import asyncio
from pathlib import Path

import pytest

from tests.worker_agent.docker.tasks import PREBUILT, Runner, TaskSpec, fault, reward

# Harbor warns of its own use of what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

PLAIN = {"Dockerfile": "FROM debian:bookworm-slim\nWORKDIR /app\n"}
SIDECAR = "services: {db: {image: 'debian:bookworm-slim', command: sleep infinity, init: true}}"
SEPARATE = """
artifacts = ["/app/out", "/app/links"]
[verifier]
environment_mode = "separate"
[verifier.environment]
docker_image = "debian:bookworm-slim"
"""

TASKS = {
    "solved": TaskSpec(environment=PLAIN),
    "not solved": TaskSpec(environment=PLAIN, solve="true"),
    "prebuilt": PREBUILT,
    "no reward": TaskSpec(environment=PLAIN, verify="true"),
    "artifacts with links": TaskSpec(
        environment=PLAIN,
        solve=(
            "mkdir -p /logs/artifacts/d /app/out; echo x > /logs/artifacts/d/x; ln -s d/x /logs/artifacts/l\n"
            "echo y > /app/out/y; touch /done"
        ),
        more='artifacts = ["/app/out", "/app/not-there"]',
    ),
    "a verifier of its own": TaskSpec(
        environment=PLAIN,
        solve=(
            "mkdir -p /app/out /app/links; echo 42 > /app/out/answer\n"
            "ln -s answer /app/out/relative; ln -s /app/out/answer /app/links/absolute"
        ),
        verify='test "$(cat /app/links/absolute)" = 42 && echo 1 > /logs/verifier/reward.txt',
        more=SEPARATE,
    ),
    "sidecar": TaskSpec(environment={**PLAIN, "docker-compose.yaml": SIDECAR}),
    "sidecar's files": TaskSpec(
        environment={**PLAIN, "docker-compose.yaml": SIDECAR},
        more='[[verifier.collect]]\nservice = "db"\ncommand = "mkdir -p /state && echo kept > /state/file"\n'
        '[[artifacts]]\nsource = "/state"\nservice = "db"\n',
    ),
    "does not build": TaskSpec(environment={"Dockerfile": "FROM debian:bookworm-slim\nRUN exit 9\n"}),
}  # fmt: skip
NAMED_BY_US = {"ImageBuildError": "RuntimeError"}
OF_THE_RUN = {"trial.log", "config.json", "result.json", "lock.json", "exception.txt"}
"""Files whose content tells of times and names."""


def _files(folder: Path) -> dict[str, object]:
    """Every file and link below a trial's directory, with its content where two trials should agree on it."""
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else _content(path)
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def _content(path: Path) -> bytes | None:
    return None if path.name in OF_THE_RUN else path.read_bytes()


@pytest.mark.parametrize("spec", TASKS.values(), ids=TASKS.keys())
def test_the_same_verdict_and_the_same_files_for(runner: Runner, spec: TaskSpec) -> None:
    async def verdict(*, ours: bool) -> tuple[float | None, str | None, dict[str, object]]:
        trial = await runner.trial(spec, ours=ours)
        result = await trial.run()
        kind = fault(result)
        return reward(result), NAMED_BY_US.get(kind, kind) if kind else None, _files(trial.paths.trial_dir)

    assert asyncio.run(verdict(ours=True)) == asyncio.run(verdict(ours=False))
