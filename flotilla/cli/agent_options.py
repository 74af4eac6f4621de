"""Agent options as Harbor's command line reads them: `--ak KEY=VALUE`, the value JSON where it is JSON."""

import json
from collections.abc import Iterable
from typing import Any

from flotilla.cli.faults import CommandFault

_WORDS = {"True": True, "False": False, "None": None}


def parse_options(given: Iterable[str]) -> dict[str, Any]:
    """The options by name. Raises CommandFault for one without `=`."""
    options: dict[str, Any] = {}
    for option in given:
        name, equals, value = option.partition("=")
        if not equals or not name.strip():
            raise CommandFault(f"--ak {option!r} is no option: write it as KEY=VALUE")
        options[name.strip()] = _value(value.strip())
    return options


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _WORDS.get(text, text)
