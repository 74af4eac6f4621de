"""Where the values of a job's secrets come from: on one machine a file or the worker's environment; else AWS."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_SECONDS = 300.0
"""So long a value that was looked up is used again: a changed secret is in use within that time."""
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})  # the latter: it is marked for deletion


class SecretMissing(Exception):
    """The job names a secret that this worker was not given."""


class SecretsUnavailable(OSError):
    """Secrets Manager does not answer, or not this worker: the run may start elsewhere, or later."""


class StageSecrets:
    """The job secrets of one stage in Secrets Manager, by the prefix of their names. For any number of threads."""

    def __init__(
        self, client: "SecretsManagerClient", *, prefix: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    def value(self, name: str) -> str | None:
        """The secret's text; None if there is none, which is asked anew each time. Raises SecretsUnavailable."""
        value, until = self._known.get(name, ("", 0.0))
        if self._clock() < until:
            return value
        found = self._look_up(self._prefix + name)
        if found:
            self._known[name] = (found, self._clock() + KEPT_SECONDS)
        return found

    def missing(self, names: Sequence[str]) -> str:
        """What is wrong and how to mend it."""
        commands = "; ".join(f"aws secretsmanager create-secret --name {self._prefix}{name}" for name in names)
        return (
            f"Secrets Manager has no text for {', '.join(names)} (make it with --secret-string: {commands}), "
            "or leave it out of the job's `secrets`"
        )

    def _look_up(self, secret: str) -> str | None:
        try:
            return self._client.get_secret_value(SecretId=secret).get("SecretString")
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _ABSENT:
                return None
            raise SecretsUnavailable(f"{secret} cannot be read: {fault}") from fault
        except BotoCoreError as fault:
            raise SecretsUnavailable(f"{secret} cannot be read: {fault}") from fault


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValues:
    """The secrets a worker may hand to trials that name them. Their values are never shown.

    A worker of a stage has `stage`, and then its own environment, which says how it works, is not looked into.
    """

    file: Path | None
    environment: Mapping[str, str] = field(repr=False)
    stage: StageSecrets | None = None

    def select(self, names: Sequence[str]) -> dict[str, str]:
        """The values of the named secrets; may wait for AWS.

        Raises SecretMissing with the names that have none, or SecretsUnavailable.
        """
        file = self._from_file()
        found = {name: file.get(name) or self._elsewhere(name) for name in names}
        missing = sorted(name for name, value in found.items() if not value)
        if missing:
            raise SecretMissing(self.stage.missing(missing) if self.stage else _not_given(missing))
        return {name: value for name, value in found.items() if value}

    def _elsewhere(self, name: str) -> str | None:
        return self.environment.get(name) if self.stage is None else self.stage.value(name)

    def _from_file(self) -> dict[str, str]:
        if self.file is None:
            return {}
        lines = (line.strip() for line in self.file.read_text(encoding="utf-8").splitlines())
        pairs = (line.removeprefix("export ").partition("=") for line in lines if line and not line.startswith("#"))
        return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _not_given(names: Sequence[str]) -> str:
    return (
        f"this worker was given no value for {', '.join(names)}: set it in the environment of `flotilla up` "
        "or in the file of --secrets-file, or leave it out of the job's `secrets`"
    )
