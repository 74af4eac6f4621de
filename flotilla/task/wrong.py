"""Saying in a `task.toml` model what is wrong with a value and how to mend it."""

from pydantic_core import PydanticCustomError

WRONG = "flotilla"
"""The type of our own errors among pydantic's."""


def wrong(message: str, mend: str) -> PydanticCustomError:
    """An error for a validator to raise; both sentences reach the user as they are."""
    return PydanticCustomError(WRONG, "{message}", {"message": message, "mend": mend})
