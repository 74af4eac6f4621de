"""JSON documents as PostgreSQL takes them: no NUL characters, no NaN."""

import json
import re
from collections.abc import Mapping
from typing import Any

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # an escaped NUL, not the text of one


def as_json(document: Mapping[str, Any] | None) -> str | None:
    """The document as JSON text; NUL characters become U+FFFD. Raises ValueError for NaN and infinities."""
    if document is None:
        return None
    return _ESCAPED_NUL.sub(r"\1\\ufffd", json.dumps(document, allow_nan=False))


def as_text(words: str | None) -> str | None:
    """Text without NUL characters."""
    return None if words is None else words.replace("\0", "\ufffd")
