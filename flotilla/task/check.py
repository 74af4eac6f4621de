"""Checking a task: everything that Harbor's `Task` refuses, and what would fail later for certain."""

from collections.abc import Iterator

from flotilla.task.amounts import amount_faults
from flotilla.task.artifacts import MAIN_SERVICE
from flotilla.task.checked import CheckedTask, Phase
from flotilla.task.compose_file import compose_faults
from flotilla.task.config import Step, TaskConfig
from flotilla.task.document import TASK_TOML, read_config
from flotilla.task.environment import Environment, OperatingSystem
from flotilla.task.fault import BundleRefused, Fault, Rule, pointer_to_path
from flotilla.task.layout import layout_faults
from flotilla.task.text import is_file
from flotilla.task.tree import TaskTree
from flotilla.task.verification import COMPOSE_FILE, DOCKERFILE, SeparateVerifier, separate_verifier


def check(tree: TaskTree, *, allow_host_access: bool = False) -> CheckedTask:
    """What the task declares, if it can run; `BundleRefused` with every fault found if it cannot.

    A broken `task.toml` is refused alone, since it decides which files the rest must have. Compose files may ask for
    things of the host (its network, its folders, the Docker socket) only where the deployment allows it.
    """
    config = read_config(tree)
    composed = _compose_files(config, tree)
    faults = [
        *layout_faults(config, tree),
        *amount_faults(config),
        *_windows_faults(config, tree),
        *_sidecar_faults(config, tree),
        *(fault for path in composed for fault in compose_faults(tree, path, allow_host_access=allow_host_access)),
    ]
    if faults:
        raise BundleRefused(dict.fromkeys(faults))  # steps without tests of their own all miss the same script
    return _checked(config, tree, uses_compose=bool(composed))


def _verifiers(config: TaskConfig, tree: TaskTree) -> list[SeparateVerifier]:
    found = (separate_verifier(config, step=step, tree=tree) for step in config.turns)
    return [verifier for verifier in found if verifier is not None]


def _compose_files(config: TaskConfig, tree: TaskTree) -> list[str]:
    """The Compose files that a trial would use."""
    folders = ["environment", *(verifier.folder for verifier in _verifiers(config, tree))]
    return [path for folder in dict.fromkeys(folders) if is_file(tree, path := f"{folder}/{COMPOSE_FILE}")]


def _windows_faults(config: TaskConfig, tree: TaskTree) -> Iterator[Fault]:
    if OperatingSystem.WINDOWS not in {config.environment.os, *(found.os for found in _verifiers(config, tree))}:
        return
    stated: list[tuple[tuple[str | int, ...], Environment | None]] = [
        (("environment",), config.environment),
        (("verifier", "environment"), config.verifier.environment),
    ]
    for index, step in enumerate(config.steps or []):
        stated.append((("steps", index, "verifier", "environment"), step.verifier.environment))
    for place, environment in stated:
        if environment and environment.os is OperatingSystem.WINDOWS:
            yield Fault(
                pointer=pointer_to_path(TASK_TOML, *place, "os"),
                message="This is for Windows, and workers run Linux.",
                mend='Port the task to Linux containers and set os = "linux".',
                rule=Rule.OPERATING_SYSTEM,
            )


def _sidecar_faults(config: TaskConfig, tree: TaskTree) -> Iterator[Fault]:
    levels = [config.verifier, *(step.verifier for step in config.steps or [])]
    artifacts = [*config.artifacts, *(artifact for step in config.steps or [] for artifact in step.artifacts)]
    services = {hook.service for level in levels for hook in level.collect} | {
        artifact.service for artifact in artifacts if artifact.service
    }
    if services - {MAIN_SERVICE} and f"environment/{COMPOSE_FILE}" not in tree.members:
        yield Fault(
            pointer=pointer_to_path(f"environment/{COMPOSE_FILE}"),
            message=f"Files are to come from {', '.join(sorted(services - {MAIN_SERVICE}))}, which nothing defines.",
            mend="Add the Compose file that defines these services.",
            rule=Rule.SIDECAR,
        )


def _checked(config: TaskConfig, tree: TaskTree, *, uses_compose: bool) -> CheckedTask:
    environment = config.environment
    return CheckedTask(
        name=config.task.name if config.task else None,
        phases=tuple(_phase(config, step, tree) for step in config.turns),
        uses_compose=uses_compose,
        docker_image=environment.docker_image or None,
        has_dockerfile=f"environment/{DOCKERFILE}" in tree.members,
        cpus=environment.cpus,
        memory_mb=environment.memory_mb,
        storage_mb=environment.storage_mb,
        gpus=environment.gpus,
        network_mode=environment.effective_network_mode.value,
        os=environment.os.value,
        build_timeout_sec=environment.build_timeout_sec,
        healthcheck_sec=environment.healthcheck.longest_sec if environment.healthcheck else 0.0,
        agent_timeout_sec=config.agent.timeout_sec,
        verifier_timeout_sec=config.verifier.timeout_sec,
    )


def _phase(config: TaskConfig, step: Step | None, tree: TaskTree) -> Phase:
    agent, verifier = (step.agent, step.verifier) if step else (config.agent, config.verifier)
    hooks = [*config.verifier.collect, *(step.verifier.collect if step else [])]
    is_separate = separate_verifier(config, step=step, tree=tree) is not None
    return Phase(
        step=step.name if step else None,
        agent_timeout_sec=config.agent.timeout_sec if agent.timeout_sec is None else agent.timeout_sec,
        verifier_timeout_sec=verifier.timeout_sec,
        other_sec=(step.healthcheck.longest_sec if step and step.healthcheck else 0.0)
        + sum(hook.timeout_sec for hook in hooks)
        + (config.environment.build_timeout_sec if is_separate else 0.0),
    )
