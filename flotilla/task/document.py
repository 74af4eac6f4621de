"""From the bytes of `task.toml` to its model, or to a fault for everything wrong in it."""

import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flotilla.task.config import TaskConfig
from flotilla.task.fault import BundleRefused, Fault, pointer_to_path
from flotilla.task.text import text_of
from flotilla.task.tree import TaskTree
from flotilla.task.wrong import WRONG

TASK_TOML = "task.toml"

_MENDS = {
    "missing": "Add it.",
    "int": "Give a whole number.",
    "float": "Give a number.",
    "string": "Give a text in quotes.",
    "bool": "Give true or false.",
    "list": "Give a list in [brackets].",
    "dict": "Give a table.",
    "model": "Give a table.",
    "enum": "Give one of these words.",
    "literal": "Give one of these words.",
}
"""How to mend what pydantic found, by the first word of its error type."""

_MEND = "See Harbor's reference of task.toml."


def read_config(tree: TaskTree) -> TaskConfig:
    """The task's configuration; `BundleRefused` with everything wrong in the document."""
    text = text_of(tree, TASK_TOML, absent="Put the task at the archive's root or into its only folder.")
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleRefused([_fault(f"This is no TOML: {error}.", "Correct the line.")]) from error
    try:
        return TaskConfig.model_validate(data)
    except ValidationError as error:
        raise BundleRefused(_faults(error, data)) from error


def _faults(error: ValidationError, data: Mapping[str, Any]) -> list[Fault]:
    """One fault a place: where several types would do, each says why it does not."""
    found: dict[tuple[str | int, ...], Fault] = {}
    for detail in error.errors(include_url=False, include_input=False):
        place = _place(detail, data)
        message = f"{detail['msg'].rstrip('.')}."
        if place in found:
            message = f"{found[place].message} {message}"
        found[place] = _fault(message, _mend(detail), *place)
    return list(found.values())


def _place(detail: ErrorDetails, data: Any) -> tuple[str | int, ...]:
    """The error's location without what pydantic adds to it: the names of a union's types, and of aliases."""
    place: list[str | int] = []
    for step in detail["loc"]:
        if _has(data, step):
            data = data[step]
            place.append(step)
        elif isinstance(data, Mapping) and step == detail["loc"][-1] and _is_absent(detail):
            place.append(step)
    return tuple(place)


def _has(data: Any, step: str | int) -> bool:
    return step in data if isinstance(data, Mapping) else isinstance(data, list) and isinstance(step, int)


def _is_absent(detail: ErrorDetails) -> bool:
    """Whether the error is that something is not there; our own errors about a default are that too."""
    return detail["type"] in {"missing", WRONG}


def _mend(detail: ErrorDetails) -> str:
    if detail["type"] == WRONG:
        return str(detail["ctx"]["mend"])
    return _MENDS.get(detail["type"].partition("_")[0], _MEND)


def _fault(message: str, mend: str, *inside: str | int) -> Fault:
    return Fault(pointer=pointer_to_path(TASK_TOML, *inside), message=message, mend=mend)
