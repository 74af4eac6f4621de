"""What a worker reads from its environment, once."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from flotilla.layout import DEFAULT_SHARED
from flotilla.states import Priority


class SettingMissing(Exception):
    """A variable that the worker cannot do without is not set, or says nothing that can be used."""


class Wanted(StrEnum):
    """Which environment trials are to run in."""

    AUTO = "auto"
    DOCKER = "docker"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """A worker's settings. Times in seconds."""

    database_url: str = field(repr=False)
    queue_urls: Mapping[Priority, str]
    shared: Path
    scratch: Path
    name: str
    slots: int
    environment: Wanted
    hidden: tuple[Path, ...]
    secrets_file: Path | None
    lease_seconds: float
    drain_seconds: float
    endpoint_url: str | None
    region: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """The settings in these variables. Raises SettingMissing with the name of the first one at fault."""
        secrets_file = variables.get("FLOTILLA_SECRETS_FILE")
        return cls(
            database_url=_required(variables, "FLOTILLA_DATABASE_URL"),
            queue_urls={
                Priority.HIGH: _required(variables, "FLOTILLA_QUEUE_HIGH_URL"),
                Priority.NORMAL: _required(variables, "FLOTILLA_QUEUE_URL"),
            },
            shared=Path(variables.get("FLOTILLA_SHARED", DEFAULT_SHARED)),
            scratch=Path(variables.get("FLOTILLA_SCRATCH", "/var/lib/flotilla-worker")),
            name=variables.get("FLOTILLA_WORKER_NAME") or socket.gethostname(),
            slots=int(_number(variables, "FLOTILLA_SLOTS", default=60, least=1)),
            environment=_environment(variables.get("FLOTILLA_ENVIRONMENT", Wanted.AUTO)),
            hidden=tuple(Path(path) for path in variables.get("FLOTILLA_HIDDEN", "").split(os.pathsep) if path),
            secrets_file=Path(secrets_file) if secrets_file else None,
            lease_seconds=_number(variables, "FLOTILLA_LEASE_SECONDS", default=90, least=1),
            drain_seconds=_number(variables, "FLOTILLA_DRAIN_SECONDS", default=240, least=0),
            endpoint_url=variables.get("AWS_ENDPOINT_URL") or None,
            region=variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or "us-east-1",
        )

    @property
    def renewal_seconds(self) -> float:
        """Three renewals a lease: two may fail before it ends."""
        return self.lease_seconds / 3


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name)
    if not value:
        raise SettingMissing(f"{name} is not set: a worker needs it, see the table of variables in the README")
    return value


def _number(variables: Mapping[str, str], name: str, *, default: float, least: float) -> float:
    text = variables.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        raise SettingMissing(f"{name} is {text!r}: give a number") from None
    if number < least:
        raise SettingMissing(f"{name} is {text}: give at least {least:g}")
    return number


def _environment(text: str) -> Wanted:
    try:
        return Wanted(text)
    except ValueError:
        raise SettingMissing(f"FLOTILLA_ENVIRONMENT is {text!r}: give one of {', '.join(Wanted)}") from None
