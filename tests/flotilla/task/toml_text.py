"""Plain data as TOML, every table in line, so that any mutation of the data can be written down."""

import json
from typing import Any


def toml_text(data: dict[str, Any]) -> str:
    """A document with one line for each top-level key."""
    return "".join(f"{_string(key)} = {_value(value)}\n" for key, value in data.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    if isinstance(value, str):
        return _string(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _string(text: str) -> str:
    # JSON's strings are TOML's, but for the one control character that JSON leaves bare.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
