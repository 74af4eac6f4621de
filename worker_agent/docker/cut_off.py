"""Tasks that have no network at all: one container without one is enough, and nobody has to watch over it."""

from collections.abc import Sequence
from pathlib import Path

from harbor.models.task.config import EnvironmentConfig, NetworkMode, NetworkPolicy, TaskOS


def is_cut_off(
    *,
    environment_dir: Path,
    task_env_config: EnvironmentConfig,
    network_policy: NetworkPolicy | None = None,
    phase_network_policies: Sequence[NetworkPolicy] = (),
    extra_docker_compose: Sequence[Path | str] | None = None,
    override_gpus: int | None = None,
    **_: object,
) -> bool:
    """Whether one container without a network is all that the task's policies ask for, in every phase."""
    policies = [network_policy or NetworkPolicy(), *phase_network_policies]
    is_plain = not (
        (environment_dir / "docker-compose.yaml").exists()
        or extra_docker_compose
        or task_env_config.os == TaskOS.WINDOWS
        or task_env_config.gpus
        or override_gpus
    )
    return is_plain and all(policy.network_mode == NetworkMode.NO_NETWORK for policy in policies)
