"""Rows: as plain values, and many of them locked in the one order."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row


def locked_runs(condition: str) -> str:
    """A subquery of the runs for which the condition holds, locked: `WITH locked AS (…)` before an UPDATE of many.

    Whoever changes many runs locks them in the order of their ids, and a job after its runs. So two of them, say a
    cancellation and a renewal, wait for each other and never in a circle.
    """
    return f"SELECT id FROM runs WHERE {condition} ORDER BY id FOR NO KEY UPDATE"


def values_of(row: Row[Any]) -> dict[str, Any]:
    """The row's columns by name, times in UTC wherever the server lives."""
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in row._mapping.items()
    }
