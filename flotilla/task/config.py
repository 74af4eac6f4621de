"""The `task.toml` of a task, accepting exactly what Harbor 0.24 accepts."""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, Field, ValidationInfo, field_validator

from flotilla.task.artifacts import MAIN_SERVICE, Artifact, Service
from flotilla.task.environment import Environment, Healthcheck
from flotilla.task.network import NetworkPolicy
from flotilla.task.step_name import checked_step_name, comparable
from flotilla.task.wrong import wrong

_PACKAGE_NAME = re.compile(r"([a-zA-Z0-9][a-zA-Z0-9._-]*)/([a-zA-Z0-9][a-zA-Z0-9._-]*)$")


class RewardStrategy(StrEnum):
    """How the rewards of several steps become one."""

    MEAN = "mean"
    FINAL = "final"


class VerifierMode(StrEnum):
    """Whether the verifier works in the agent's container or in one of its own."""

    SHARED = "shared"
    SEPARATE = "separate"


class Author(BaseModel):
    """Who wrote a task."""

    name: str
    email: str | None = None


class Package(BaseModel):
    """The `[task]` section: what the task is called in a registry."""

    name: str
    version: str | None = Field(default=None, min_length=1)
    description: str = ""
    authors: list[Author] = Field(default_factory=list)
    keywords: list[str] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _has_two_parts(cls, name: str) -> str:
        if not _PACKAGE_NAME.match(name) or ".." in name:
            raise wrong(
                f"{name!r} is no package name.",
                "Write org/name, each beginning with a letter or digit and going on with these, '.', '_' and '-'.",
            )
        return name


class Agent(NetworkPolicy):
    """The agent's side of a phase."""

    timeout_sec: float | None = None
    user: str | int | None = None


class CollectHook(BaseModel):
    """A command that leaves a service's state in files before the environment goes."""

    command: str
    service: Service = MAIN_SERVICE
    timeout_sec: float = 60.0
    user: str | int | None = None


class Verifier(NetworkPolicy):
    """The verifier's side of a phase."""

    timeout_sec: float = 600.0
    env: dict[str, str] = Field(default_factory=dict)
    user: str | int | None = None
    environment_mode: VerifierMode | None = None
    environment: Environment | None = None
    collect: list[CollectHook] = Field(default_factory=list)

    @field_validator("environment")
    @classmethod
    def _shared_verifier_has_no_environment(cls, own: Environment | None, info: ValidationInfo) -> Environment | None:
        if own is not None and info.data.get("environment_mode") is VerifierMode.SHARED:
            raise wrong(
                "The verifier shares the agent's environment, and has one of its own.",
                'Remove it, or set environment_mode = "separate".',
            )
        return own

    @property
    def mode(self) -> VerifierMode | None:
        """The mode that is said or implied here; None leaves it to the level above."""
        if self.environment_mode is None and self.environment is not None:
            return VerifierMode.SEPARATE
        return self.environment_mode


class Step(BaseModel):
    """One step of a multi-step task, at home in `steps/NAME/`."""

    name: Annotated[str, AfterValidator(checked_step_name)]
    agent: Agent = Field(default_factory=Agent)
    verifier: Verifier = Field(default_factory=Verifier)
    min_reward: float | dict[str, float] | None = None
    healthcheck: Healthcheck | None = None
    artifacts: list[Artifact] = Field(default_factory=list)


class Solution(BaseModel):
    """What the oracle's script finds in its environment."""

    env: dict[str, str] = Field(default_factory=dict)


class TaskConfig(BaseModel):
    """The whole document; keys that it does not know are passed over, as Harbor does."""

    schema_version: str = Field(default="1.4", validation_alias=AliasChoices("schema_version", "version"))
    task: Package | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    verifier: Verifier = Field(default_factory=Verifier)
    agent: Agent = Field(default_factory=Agent)
    environment: Environment = Field(default_factory=Environment)
    solution: Solution = Field(default_factory=Solution)
    source: str | None = None
    multi_step_reward_strategy: RewardStrategy | None = None
    steps: list[Step] | None = None
    artifacts: list[Artifact] = Field(default_factory=list)

    @property
    def turns(self) -> list[Step | None]:
        """What agent and verifier take turns at: each step, or, in a plain task, None once."""
        return [*self.steps] if self.steps else [None]

    @field_validator("steps")
    @classmethod
    def _names_differ(cls, steps: list[Step] | None) -> list[Step] | None:
        seen: set[str] = set()
        for step in steps or []:
            if comparable(step.name) in seen:
                raise wrong(
                    f"The name {step.name!r} is there twice, letter case and Unicode forms aside.",
                    "Give each step a name of its own.",
                )
            seen.add(comparable(step.name))
        return steps
