"""Settings: frozen values that each process reads once from its environment."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from flotilla.layout import DEFAULT_SHARED

PREFIX = "FLOTILLA_"


class SettingsFault(ValueError):
    """The environment lacks a variable, or one cannot be read; the message names every one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where the truth and the files are."""

    database_url: str = field(repr=False)  # it may hold a password
    shared: Path = DEFAULT_SHARED


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(StoreSettings):
    """What the API's Lambda function needs beside: the pulse's function, which it tells of new work."""

    pulse_function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseSettings(StoreSettings):
    """What the pulse needs beside: the two queues, and how long a lease lasts (seconds)."""

    queue_url: str
    queue_high_url: str
    lease_seconds: float = 90.0


def variable(setting: Field[Any]) -> str:
    """The environment variable of a setting: `FLOTILLA_` and its name, unless its metadata has another `variable`."""
    return str(setting.metadata.get("variable", PREFIX + setting.name.upper()))


def read[Settings](environ: Mapping[str, str], kind: type[Settings]) -> Settings:
    """Reads the settings dataclass `kind`; fields are strings, numbers, booleans, paths or enums of strings.

    A field's metadata may give its number a `least`. An empty variable counts as one that is not set.
    Raises SettingsFault.
    """
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for setting in fields(cast(Any, kind)):
        name = variable(setting)
        text = environ.get(name, "")
        if not text:
            if setting.default is MISSING and setting.default_factory is MISSING:
                faults.append(f"{name} is not set")
        else:
            try:
                values[setting.name] = _within(_parse(text, types[setting.name]), setting)
            except ValueError as error:
                faults.append(f"{name} cannot be read: {error}")
    if faults:
        raise SettingsFault(f"{'; '.join(faults)}: set it in the environment of this process")
    return kind(**values)


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
