"""Settings: frozen values that each process reads once from its environment."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from flotilla.layout import DEFAULT_SHARED
from flotilla.scaling import BOOT_SECONDS
from flotilla.states import Priority

PREFIX = "FLOTILLA_"


class SettingsFault(ValueError):
    """The environment lacks a variable, or one cannot be read; the message names every one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the truth is: an address, or the Secrets Manager secret that holds one (`flotilla.database_secret`)."""

    database_url: str | None = field(default=None, repr=False, metadata={"unless": "database_secret"})
    """It may hold a password. If it is given, the secret is not asked."""
    database_secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(DatabaseSettings):
    """Where the truth and the files are."""

    shared: Path = DEFAULT_SHARED


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings(StoreSettings):
    """What everybody needs beside who sends or receives messages: the two queues, and where SQS answers."""

    queue_url: str
    queue_high_url: str
    endpoint_url: str | None = field(default=None, metadata={"variable": "AWS_ENDPOINT_URL"})
    access_key: str | None = field(default=None, repr=False, metadata={"variable": "AWS_ACCESS_KEY_ID"})
    """For an endpoint of one's own; on AWS a role signs."""
    region: str = field(default="us-east-1", metadata={"variable": "AWS_REGION"})

    @property
    def queue_urls(self) -> Mapping[Priority, str]:
        """The queue of each priority."""
        return {Priority.HIGH: self.queue_high_url, Priority.NORMAL: self.queue_url}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(QueueSettings):
    """What the API's Lambda function needs beside: the pulse's function, which it tells of new work."""

    pulse_function: str
    allow_host_access: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseSettings(QueueSettings):
    """What the pulse needs beside: how long a lease lasts (seconds)."""

    lease_seconds: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPulseSettings(PulseSettings):
    """What the pulse's Lambda function needs beside: the stage that its metrics are of, and the group it tends."""

    stage: str
    group: str
    slots: int = field(metadata={"least": 1})
    boot_seconds: float = BOOT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterSettings(QueueSettings):
    """What the function behind the dead-letter queues needs beside: the stage that its metrics are of."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSettings(DatabaseSettings):
    """What the migration needs beside: the secret into which the first admin key goes."""

    admin_key_secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainSettings:
    """What the function needs that empties the group before the stacks are destroyed."""

    group: str


def variable(setting: Field[Any]) -> str:
    """The environment variable of a setting: `FLOTILLA_` and its name, unless its metadata has another `variable`."""
    return str(setting.metadata.get("variable", PREFIX + setting.name.upper()))


def read[Settings](environ: Mapping[str, str], kind: type[Settings]) -> Settings:
    """Reads the settings dataclass `kind`; fields are strings, numbers, booleans, paths or enums of strings.

    A field's metadata may give its number a `least`, or name another field: `unless` that one is set, it must be.
    An empty variable counts as one that is not set.
    Raises SettingsFault.
    """
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for setting in fields(cast(Any, kind)):
        name = variable(setting)
        text = environ.get(name, "")
        if not text:
            faults += _missed(setting, environ, kind)
        else:
            try:
                values[setting.name] = _within(_parse(text, types[setting.name]), setting)
            except ValueError as error:
                faults.append(f"{name} cannot be read: {error}")
    if faults:
        raise SettingsFault(f"{'; '.join(faults)}: set it in the environment of this process")
    return kind(**values)


def _missed(setting: Field[Any], environ: Mapping[str, str], kind: Any) -> list[str]:
    """The fault of a variable that is not set, if it is one."""
    required = setting.default is MISSING and setting.default_factory is MISSING
    if other := setting.metadata.get("unless"):
        alternative = variable(next(one for one in fields(kind) if one.name == other))
        return [] if environ.get(alternative) else [f"{variable(setting)} is not set, nor is {alternative}"]
    return [f"{variable(setting)} is not set"] if required else []


def _parse(text: str, kind: Any) -> Any:
    wanted = next((part for part in get_args(kind) if part is not type(None)), kind)  # `X | None` is read as X
    if wanted is bool:
        words = {"1": True, "true": True, "0": False, "false": False}
        if text.lower() not in words:
            raise ValueError(f"'{text}' is neither true nor false")
        return words[text.lower()]
    return wanted(text)


def _within(value: Any, setting: Field[Any]) -> Any:
    least = setting.metadata.get("least")
    if least is not None and not value >= least:
        raise ValueError(f"{value} is less than {least}")
    return value
