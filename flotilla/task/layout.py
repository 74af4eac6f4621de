"""The files that a task must have, by its configuration."""

from collections.abc import Iterator

from flotilla.task.config import Step, TaskConfig
from flotilla.task.environment import OperatingSystem
from flotilla.task.fault import BundleRefused, Fault, Rule, pointer_to_path
from flotilla.task.text import is_file, text_of
from flotilla.task.tree import TaskTree
from flotilla.task.verification import COMPOSE_FILE, DOCKERFILE, separate_verifier


def layout_faults(config: TaskConfig, tree: TaskTree) -> Iterator[Fault]:
    """What is missing, or is not what its place calls for."""
    yield from _environment_faults(config, tree)
    for step in config.turns:
        yield from _instruction_faults(step, tree)
        yield from _test_faults(config, step, tree)


def _environment_faults(config: TaskConfig, tree: TaskTree) -> Iterator[Fault]:
    definitions = [f"environment/{name}" for name in (DOCKERFILE, COMPOSE_FILE)]
    present = [path for path in definitions if path in tree.members]
    if not present and not config.environment.docker_image:
        yield Fault(
            pointer="/environment",
            message="Nothing says what the agent runs in.",
            mend=f"Add {' or '.join(definitions)}, or set docker_image in [environment].",
            rule=Rule.ENVIRONMENT,
        )
    yield from (_folder_fault(path) for path in present if not is_file(tree, path))


def _instruction_faults(step: Step | None, tree: TaskTree) -> Iterator[Fault]:
    folder = f"steps/{step.name}/" if step else ""
    # Harbor reads the instruction of a plain task at once, a step's only when the step begins.
    rule = Rule.FILE_EXPECTED if step else Rule.HARBOR
    try:
        text_of(tree, f"{folder}instruction.md", absent="Say in it what the agent is to do.", rule=rule)
    except BundleRefused as refusal:
        yield from refusal.faults


def _test_faults(config: TaskConfig, step: Step | None, tree: TaskTree) -> Iterator[Fault]:
    verifier = separate_verifier(config, step=step, tree=tree)
    if verifier and verifier.has_its_tests:
        return
    if (verifier.os if verifier else config.environment.os) is OperatingSystem.WINDOWS:
        return  # refused for that, whatever its tests are called
    places = [f"steps/{step.name}/tests/test.sh"] if step else []
    places.append("tests/test.sh")
    present = [path for path in places if path in tree.members]
    if not present:
        yield Fault(
            pointer=pointer_to_path(places[0]),
            message="There is no test script, so nothing could be graded.",
            mend=f"Add {' or '.join(places)}; it leaves the reward in /logs/verifier/reward.txt.",
        )
    elif not is_file(tree, present[0]):
        yield _folder_fault(present[0])


def _folder_fault(path: str) -> Fault:
    return Fault(
        pointer=pointer_to_path(path),
        message="This is a folder where a file is expected.",
        mend="Put the file in its place.",
        rule=Rule.FILE_EXPECTED,
    )
