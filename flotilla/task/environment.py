"""The `[environment]` of `task.toml`, for the agent or for a separate verifier."""

import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from flotilla.task.network import NetworkMode, NetworkPolicy
from flotilla.task.wrong import wrong

_MEGABYTES = {"G": 1024.0, "M": 1.0, "K": 1 / 1024}


class OperatingSystem(StrEnum):
    """What a task's container runs."""

    LINUX = "linux"
    WINDOWS = "windows"


class Healthcheck(BaseModel):
    """A command that must succeed before the agent begins. Times in seconds."""

    command: str
    interval_sec: float = 5.0
    timeout_sec: float = 30.0
    start_period_sec: float = 0.0
    start_interval_sec: float = 5.0
    retries: int = 3

    @property
    def longest_sec(self) -> float:
        """The most it takes: a start period whose last try begins at its very end, then every retry at full length."""
        grace = self.start_period_sec and self.start_period_sec + self.timeout_sec + self.start_interval_sec
        return grace + max(self.retries, 1) * (self.timeout_sec + self.interval_sec)


class Tpu(BaseModel):
    """A slice of TPUs, which Flotilla does not have but a task may name."""

    type: str = Field(min_length=1)
    topology: str

    @field_validator("topology")
    @classmethod
    def _is_a_grid(cls, topology: str) -> str:
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)+", topology.strip()):
            raise wrong(f"{topology!r} is no grid.", "Write its sides with 'x' between them, as in 2x4.")
        return topology.strip()


class McpServer(BaseModel):
    """A tool server that the agent is told of."""

    name: str
    transport: Literal["stdio", "sse", "streamable-http"] = "sse"
    url: str | None = Field(default=None, validate_default=True)
    command: str | None = Field(default=None, validate_default=True)
    args: list[str] = Field(default_factory=list)

    @field_validator("transport", mode="before")
    @classmethod
    def _http_is_streamable(cls, transport: Any) -> Any:
        return "streamable-http" if transport == "http" else transport

    @field_validator("url")
    @classmethod
    def _remote_server_has_an_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        if not url and info.data.get("transport") in {"sse", "streamable-http"}:
            raise wrong("A server that is reached over HTTP has no url.", 'Give its url, or set transport = "stdio".')
        return url

    @field_validator("command")
    @classmethod
    def _local_server_has_a_command(cls, command: str | None, info: ValidationInfo) -> str | None:
        if not command and info.data.get("transport") == "stdio":
            raise wrong("A server that is started (stdio) has no command.", "Give the command that starts it.")
        return command


class Environment(NetworkPolicy):
    """Image, resources and network of one container. The old `memory` and `storage` give `memory_mb`, `storage_mb`."""

    network_mode: NetworkMode = NetworkMode.PUBLIC
    allow_internet: bool | None = None
    build_timeout_sec: float = 600.0
    docker_image: str | None = None
    os: OperatingSystem = OperatingSystem.LINUX
    cpus: int | None = None
    memory: int | None = None
    memory_mb: int | None = Field(default=None, validate_default=True)
    storage: int | None = None
    storage_mb: int | None = Field(default=None, validate_default=True)
    gpus: int | None = None
    gpu_types: list[str] | None = None
    tpu: Tpu | None = None
    mcp_servers: list[McpServer] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    skills_dir: str | None = None
    healthcheck: Healthcheck | None = None
    workdir: str | None = None

    @property
    def effective_network_mode(self) -> NetworkMode:
        """The mode as it will apply: the old `allow_internet` speaks only where nothing newer does."""
        if self.allow_internet is None or "network_mode" in self.model_fields_set or self.allowed_hosts is not None:
            return self.network_mode
        return NetworkMode.PUBLIC if self.allow_internet else NetworkMode.NO_NETWORK

    @field_validator("os", mode="before")
    @classmethod
    def _in_any_case(cls, name: Any) -> Any:
        return name.lower() if isinstance(name, str) else name

    @field_validator("memory", "storage", mode="before")
    @classmethod
    def _old_size(cls, size: Any) -> int | None:
        # Harbor passes over an old size that is no string.
        return _megabytes(size) if isinstance(size, str) else None

    @field_validator("memory_mb", "storage_mb", mode="before")
    @classmethod
    def _agrees_with_the_old_size(cls, size: Any, info: ValidationInfo) -> Any:
        old_name = str(info.field_name).removesuffix("_mb")
        old = info.data.get(old_name)
        if size is None or old is None:
            return old if size is None else size
        if size != old:
            raise wrong(f"{info.field_name} is {size!r}, but {old_name} comes to {old}.", f"Remove the old {old_name}.")
        return size


def _megabytes(size: str) -> int:
    size = size.strip().upper()
    try:
        return int(float(size[:-1]) * _MEGABYTES[size[-1:]])
    except (KeyError, ValueError, OverflowError) as error:
        raise wrong(f"{size!r} is no size.", "Write a number and K, M or G, or use the field in megabytes.") from error
