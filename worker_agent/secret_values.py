"""Where the values of a job's secrets come from: a file of NAME=value lines, else the worker's own environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class SecretMissing(Exception):
    """The job names a secret that this worker was not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValues:
    """The secrets a worker may hand to trials that name them. Their values are never shown."""

    file: Path | None
    environment: Mapping[str, str] = field(repr=False)

    def select(self, names: Sequence[str]) -> dict[str, str]:
        """The values of the named secrets. Raises SecretMissing with the names that have none."""
        known = {**self.environment, **self._from_file()}
        missing = sorted(name for name in names if not known.get(name))
        if missing:
            message = (
                f"this worker was given no value for {', '.join(missing)}: set it in the environment of `flotilla up` "
                "or in the file of --secrets-file, or leave it out of the job's `secrets`"
            )
            raise SecretMissing(message)
        return {name: known[name] for name in names}

    def _from_file(self) -> dict[str, str]:
        if self.file is None:
            return {}
        lines = (line.strip() for line in self.file.read_text(encoding="utf-8").splitlines())
        pairs = (line.removeprefix("export ").partition("=") for line in lines if line and not line.startswith("#"))
        return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}
