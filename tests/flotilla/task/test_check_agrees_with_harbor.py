"""Our check against Harbor's own `Task`: the same verdict on thousands of tasks, but for our few rules beyond it."""

import io
import random
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from harbor.environments.definition import has_agent_environment_definition
from harbor.models.task.config import StepConfig, TaskConfig
from harbor.models.task.task import Task
from harbor.models.task.verifier_mode import resolve_verifier_environment_definition

from flotilla.archive import Limits, open_archive, pack
from flotilla.task import BundleRefused, CheckedTask, DirectoryTree, Fault, Rule, TaskTree, check
from tests.flotilla.task.corpus import Sample, broken_tasks, sound_tasks
from tests.flotilla.task.mutations import mutations

SEED = 20261104
CHANGES_PER_BASE = 7
BASES = [*sound_tasks(), *broken_tasks()]
LARGEST = 2**31 - 1


def harbor_task(folder: Path) -> Task | None:
    """Harbor's reading of the task, or None if it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated fields are the point of some samples
        try:
            return Task(folder)
        except (ValueError, OSError, OverflowError):
            return None


def our_answers(folder: Path) -> Iterator[CheckedTask | tuple[Fault, ...]]:
    """What the check says of the directory, and of a zip and a tar.gz of it."""
    yield answer(lambda: DirectoryTree(folder))
    packed = folder.with_suffix(".packed")
    for write in (write_zip, write_tar):
        write(folder, packed)
        yield answer(lambda: open_archive(packed, limits=Limits()))


def answer(tree: Callable[[], TaskTree]) -> CheckedTask | tuple[Fault, ...]:
    try:
        return check(tree())
    except BundleRefused as refusal:
        return refusal.faults


def write_zip(folder: Path, target: Path) -> None:
    with target.open("wb") as file:
        pack(folder, file)


def write_tar(folder: Path, target: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname="the-task")
    target.write_bytes(buffer.getvalue())


def environments(task: Task) -> list[Any]:
    found = [task.config.environment, task.config.verifier.environment]
    found += [step.verifier.environment for step in task.config.steps or []]
    return [environment for environment in found if environment is not None]


def verifiers(config: TaskConfig) -> list[Any]:
    return [config.verifier, *(step.verifier for step in config.steps or [])]


def is_odd(number: float | None, *, least: float) -> bool:
    return number is not None and not least <= number <= LARGEST


def has_odd_resources(task: Task) -> bool:
    return any(
        is_odd(value, least=least)
        for found in environments(task)
        for value, least in ((found.cpus, 1), (found.memory_mb, 1), (found.storage_mb, 1), (found.gpus, 0))
    )


def has_odd_times(task: Task) -> bool:
    config = task.config
    steps = config.steps or []
    checks = [found.healthcheck for found in [*environments(task), *steps] if found.healthcheck]
    limits = [found.build_timeout_sec for found in environments(task)]
    limits += [
        found.timeout_sec for found in [*verifiers(config), config.agent, *(step.agent for step in steps), *checks]
    ]
    limits += [hook.timeout_sec for verifier in verifiers(config) for hook in verifier.collect]
    pauses = [p for c in checks for p in (c.interval_sec, c.start_period_sec, c.start_interval_sec, c.retries)]
    return any(is_odd(value, least=5e-324) for value in limits) or any(is_odd(value, least=0) for value in pauses)


def wants_windows(task: Task) -> bool:
    steps: Sequence[StepConfig | None] = task.config.steps or (None,)
    definitions = [resolve_verifier_environment_definition(task.config, task.paths, step) for step in steps]
    systems = {task.config.environment.os.value, *(found.config.os.value for found in definitions if found)}
    return "windows" in systems


def has_no_environment(task: Task) -> bool:
    image = task.config.environment.docker_image
    return not has_agent_environment_definition(task.paths.environment_dir, docker_image=image)


def has_a_folder_or_no_text_for_a_file(task: Task) -> bool:
    places = [task.task_dir / "environment" / name for name in ("Dockerfile", "docker-compose.yaml")]
    places += [task.paths.test_path, *task.task_dir.glob("steps/*/tests/test.sh")]
    instructions = list(task.task_dir.glob("steps/*/instruction.md"))
    return any(place.is_dir() for place in places + instructions) or any(
        b"\xff" in place.read_bytes() for place in instructions
    )


def has_spoilt_compose_file(task: Task) -> bool:
    return any(
        path.read_bytes() in {b"\xff\xfe", b"a: [", b"\t", b"services: [a]\n", b"services: {a\n"}
        for path in task.task_dir.glob("**/docker-compose.yaml")
        if path.is_file()
    )


def asks_for_what_is_the_hosts(task: Task) -> bool:
    return any(
        "privileged" in path.read_text() or "docker.sock" in path.read_text()
        for path in task.task_dir.glob("**/docker-compose.yaml")
        if path.is_file()
    )


def has_homeless_sidecar(task: Task) -> bool:
    hooks = [hook.service for verifier in verifiers(task.config) for hook in verifier.collect]
    artifacts = [*task.config.artifacts, *(item for step in task.config.steps or [] for item in step.artifacts)]
    services = {*hooks, *(getattr(artifact, "service", None) for artifact in artifacts)}
    return bool(services - {"main", None}) and not (task.paths.environment_dir / "docker-compose.yaml").exists()


TRULY_APPLIES: dict[Rule, Callable[[Task], bool]] = {
    Rule.RESOURCES: has_odd_resources,
    Rule.TIME: has_odd_times,
    Rule.OPERATING_SYSTEM: wants_windows,
    Rule.ENVIRONMENT: has_no_environment,
    Rule.FILE_EXPECTED: has_a_folder_or_no_text_for_a_file,
    Rule.COMPOSE_FILE: has_spoilt_compose_file,
    Rule.HOST_ACCESS: asks_for_what_is_the_hosts,
    Rule.SIDECAR: has_homeless_sidecar,
}
"""Our rules beyond Harbor's, each asked of Harbor's own reading of the task, in words of the test's own."""


def disagreement(sample: Sample, scratch: Path) -> str | None:
    """What is wrong with our answers, given Harbor's."""
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        folder = sample.write(Path(place) / "task")
        return judgement(sample, harbor_task(folder), list(our_answers(folder)))


def judgement(sample: Sample, task: Task | None, ours: list[CheckedTask | tuple[Fault, ...]]) -> str | None:
    if len({str(found) if isinstance(found, tuple) else repr(found) for found in ours}) > 1:
        return f"{sample.name}: directory, zip and tar differ: {ours}"
    if isinstance(ours[0], CheckedTask):
        return f"{sample.name}: Harbor refuses, we accept" if task is None else difference(sample.name, task, ours[0])
    if task is None:
        return None
    unfounded = [fault for fault in ours[0] if fault.rule not in TRULY_APPLIES or not TRULY_APPLIES[fault.rule](task)]
    return f"{sample.name}: Harbor accepts, we say {unfounded}" if unfounded else None


def difference(name: str, task: Task, ours: CheckedTask) -> str | None:
    """Where the facts that we hand on are not Harbor's."""
    config, environment = task.config, task.config.environment
    facts = {
        "name": config.task.name if config.task else None,
        "steps": tuple(step.name for step in config.steps or []),
        "docker_image": environment.docker_image or None,
        "cpus": environment.cpus,
        "memory_mb": environment.memory_mb,
        "storage_mb": environment.storage_mb,
        "gpus": environment.gpus,
        "os": environment.os.value,
        "network_mode": environment.network_mode.value,
        "build_timeout_sec": environment.build_timeout_sec,
        "agent_timeout_sec": config.agent.timeout_sec,
        "verifier_timeout_sec": config.verifier.timeout_sec,
        "has_dockerfile": (task.paths.environment_dir / "Dockerfile").exists(),
    }
    wrong = {fact: (getattr(ours, fact), value) for fact, value in facts.items() if getattr(ours, fact) != value}
    return f"{name}: {wrong}" if wrong else None


def test_the_corpus_has_at_least_sixty_tasks_with_names_of_their_own() -> None:
    names = [sample.name for sample in BASES]

    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_the_check_says_what_harbor_says_of_the_task_and_of_its_mutations(base: Sample, tmp_path: Path) -> None:
    dice = random.Random(f"{SEED} {base.name}")  # noqa: S311 -- the same mutations every time

    found = [disagreement(sample, tmp_path) for sample in mutations(base, dice, count=CHANGES_PER_BASE)]

    assert [text for text in found if text] == []


@pytest.mark.parametrize("sample", sound_tasks(), ids=lambda sample: sample.name)
def test_a_sound_task_is_accepted(sample: Sample, tmp_path: Path) -> None:
    assert check(DirectoryTree(sample.write(tmp_path / "task")))


@pytest.mark.parametrize("sample", broken_tasks(), ids=lambda sample: sample.name)
def test_a_broken_task_is_refused(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused):
        check(DirectoryTree(sample.write(tmp_path / "task")))
