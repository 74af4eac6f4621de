"""Replaces secrets in bytes that leave the worker, each by as many bytes, so that every offset stays what it was."""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

_SHORTEST = 4  # bytes: replacing shorter "secrets" would eat the log and hide nothing
_MARK = b"[REDACTED]"


def _mask(length: int) -> bytes:
    """As many bytes as the secret had, beginning with a word that says why."""
    return (_MARK + b"*" * length)[:length] if length >= len(_MARK) else b"*" * length


def _base64_cores(secret: bytes) -> set[bytes]:
    """The characters of the secret's base64 that its neighbours cannot change, at each of the three alignments."""
    cores = set()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        first = (shift * 8 + 5) // 6
        last = (shift + len(secret)) * 8 // 6
        cores |= {encoded[first:last], encoded[first:last].replace(b"+", b"-").replace(b"/", b"_")}
    return cores


def _forms(secret: str) -> tuple[set[bytes], set[bytes]]:
    """How a secret may be spelled: plainly (also inside JSON and URLs), and in base64 or hexadecimal."""
    raw = secret.encode()
    plain = {raw, json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()}
    plain |= {quote(secret, safe="").encode(), secret.strip().encode()}
    coded = _base64_cores(raw) | {raw.hex().encode(), raw.hex().upper().encode()}
    return plain, coded


class Redactor:
    """Knows every spelling of a trial's secrets. `reach` is how many bytes a spelling may span."""

    def __init__(self, secrets: Iterable[str]) -> None:
        patterns: list[bytes] = []
        longest = 0
        for secret in secrets:
            plain, coded = _forms(secret)
            spellings = [form for form in plain | coded if len(form) >= _SHORTEST]
            patterns += [re.escape(form) for form in plain if len(form) >= _SHORTEST]
            # Encoders break their lines, by default at 76 characters: a line end may stand between any two.
            patterns += [
                rb"(?:\r?\n)?".join(re.escape(bytes([one])) for one in form) for form in coded if len(form) >= 8
            ]
            longest = max([longest, *(len(form) for form in spellings)])
        patterns.sort(key=len, reverse=True)
        self._pattern = re.compile(b"|".join(patterns)) if patterns else None
        self.reach = longest + 2 * (longest // 60 + 2) if longest else 0

    def whole(self, data: bytes) -> bytes:
        """All of a file's bytes, redacted."""
        return self._pattern.sub(_masked, data) if self._pattern else data

    def prefix(self, data: bytes) -> bytes:
        """The redacted beginning of a stream's unshipped bytes, as far as what follows can change nothing in it."""
        if self._pattern is None:
            return data
        safe = max(len(data) - self.reach, 0)
        for found in self._pattern.finditer(data):
            if found.start() < safe < found.end():
                safe = found.start()
        return self.whole(data)[:safe]


def _masked(found: re.Match[bytes]) -> bytes:
    """The mask, with the line ends of the spelling kept where they were."""
    text = found.group()
    if b"\n" not in text:
        return _mask(len(text))
    return b"".join(part if part in (b"\n", b"\r\n") else _mask(len(part)) for part in re.split(rb"(\r?\n)", text))
