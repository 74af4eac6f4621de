"""A row as plain values."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row


def values_of(row: Row[Any]) -> dict[str, Any]:
    """The row's columns by name, times in UTC wherever the server lives."""
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in row._mapping.items()
    }
