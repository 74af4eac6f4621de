"""The JSON object of one request, read by name and type; the only place that sees it raw."""

import re
from collections.abc import Mapping
from typing import Any

from flotilla.local.sqs.refusals import Refusal, invalid

BATCH_ENTRIES_LIMIT = 10
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Parameters:
    """What one request, or one entry of its batch, asks for."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise Refusal("InvalidParameterValue", "The request's body must be a JSON object.")
        self._raw: dict[str, Any] = raw

    def text(self, name: str) -> str:
        """A string that must be there and not be empty."""
        value = self.optional_text(name)
        if not value:
            raise Refusal("MissingParameter", f"The request must contain the parameter {name}.")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or `None` where there is none."""
        value = self._raw.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(name, value, reason="Must be a string.")
        return value

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        """A whole number between `least` and `most`."""
        value = self._raw.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or not least <= value <= most:
            raise invalid(name, value, reason=f"Must be between {least} and {most}, if provided.")
        return value

    def names(self, *keys: str) -> frozenset[str]:
        """All strings of the lists under these keys."""
        names = [name for key in keys for name in self._list(key)]
        if not all(isinstance(name, str) for name in names):
            raise invalid(keys[0], names, reason="Must be a list of strings.")
        return frozenset(names)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object, empty where there is none."""
        value = self._raw.get(name) or {}
        if not isinstance(value, dict):
            raise invalid(name, value, reason="Must be an object.")
        return value

    def entries(self) -> dict[str, "Parameters"]:
        """The entries of a batch by their ids: one to ten, each id once and well formed."""
        entries = [Parameters(entry) for entry in self._list("Entries")]
        if not entries:
            raise Refusal("EmptyBatchRequest", "There should be at least one entry in the request.")
        if len(entries) > BATCH_ENTRIES_LIMIT:
            said = f"Maximum number of entries per request are {BATCH_ENTRIES_LIMIT}. You have sent {len(entries)}."
            raise Refusal("TooManyEntriesInBatchRequest", said)
        by_id: dict[str, Parameters] = {}
        for entry in entries:
            name = entry.text("Id")
            if not _ENTRY_ID.fullmatch(name):
                said = "A batch entry id can only contain alphanumeric characters, hyphens and underscores, 80 at most."
                raise Refusal("InvalidBatchEntryId", said)
            if name in by_id:
                raise Refusal("BatchEntryIdsNotDistinct", f"Id {name} repeated.")
            by_id[name] = entry
        return by_id

    def _list(self, name: str) -> list[Any]:
        value = self._raw.get(name) or []
        if not isinstance(value, list):
            raise invalid(name, value, reason="Must be a list.")
        return value
