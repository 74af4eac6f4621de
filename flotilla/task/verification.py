"""Where a phase's verifier runs, and where its tests come from."""

from dataclasses import dataclass

from flotilla.task.config import Step, TaskConfig, VerifierMode
from flotilla.task.environment import OperatingSystem
from flotilla.task.text import is_file
from flotilla.task.tree import TaskTree

DOCKERFILE = "Dockerfile"
COMPOSE_FILE = "docker-compose.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparateVerifier:
    """A verifier's own container."""

    folder: str
    """What it is built from: a `tests` folder, or the agent's `environment`."""
    has_its_tests: bool
    """Whether the tests are in the image, so that the task needs no `test.sh`."""
    docker_image: str | None
    os: OperatingSystem


def separate_verifier(config: TaskConfig, *, step: Step | None, tree: TaskTree) -> SeparateVerifier | None:
    """The phase's verifier container, or None if the verifier works in the agent's.

    The nearest definition wins: the step's image or tests folder, the task's, then the agent's environment.
    """
    mode = (step and step.verifier.mode) or config.verifier.mode
    if mode is not VerifierMode.SEPARATE:
        return None
    own = (step and step.verifier.environment) or config.verifier.environment or config.environment
    levels = [(config.verifier, "tests")]
    if step is not None:
        levels.insert(0, (step.verifier, f"steps/{step.name}/tests"))
    for verifier, folder in levels:
        image = verifier.environment and verifier.environment.docker_image
        if image or any(is_file(tree, f"{folder}/{name}") for name in (DOCKERFILE, COMPOSE_FILE)):
            return SeparateVerifier(folder=folder, has_its_tests=True, docker_image=image or None, os=own.os)
    return SeparateVerifier(
        folder="environment",
        has_its_tests=False,
        docker_image=config.environment.docker_image,
        os=own.os,
    )
