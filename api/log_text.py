"""Bytes of a log, cut where a reader can take them: at lines, and never inside a character."""

from collections.abc import Iterator
from pathlib import Path

LONGEST_LINE = 1 << 16
"""Bytes after which a line is given in pieces."""
_LONGEST_CHARACTER = 4


def read_shipped(path: Path | None, *, offset: int, end: int, most: int) -> bytes:
    """Up to `most` bytes from `offset` on, none from `end` on; fewer while a network file system lags behind."""
    if path is None or offset >= end:
        return b""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(min(most, end - offset))
    except FileNotFoundError:  # not yet to be seen from this machine
        return b""


def whole_characters(data: bytes) -> int:
    """How many of the bytes come before a UTF-8 character that is cut off at their end."""
    for back in range(1, min(_LONGEST_CHARACTER, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(data) - back if back < length else len(data)
    return len(data)


def lines(data: bytes, *, at_end: bool) -> Iterator[tuple[bytes, int]]:
    """Each line without its end, and how many bytes were used up with it. An open line waits unless `at_end`."""
    start = 0
    while start < len(data):
        newline = data.find(b"\n", start, start + LONGEST_LINE + 1)
        if newline >= 0:
            yield data[start:newline].removesuffix(b"\r"), newline + 1
            start = newline + 1
        elif len(data) - start > LONGEST_LINE:
            piece = data[start : start + LONGEST_LINE]
            piece = piece[: whole_characters(piece) or len(piece)]
            start += len(piece)
            yield piece, start
        elif at_end:
            yield data[start:], len(data)
            start = len(data)
        else:
            break
