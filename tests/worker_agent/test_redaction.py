"""Secrets leave the worker in no spelling, and every byte after them stays where it was."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker_agent.redaction import Redactor

SECRET = 'sk-or-v1-0123456789abcdef+/é"x'
RAW = SECRET.encode()


def _contained(data: bytes) -> bool:
    return RAW in data or SECRET[:12].encode() in data


def test_a_secret_is_replaced_by_as_many_bytes() -> None:
    redacted = Redactor([SECRET]).whole(b"key=" + RAW + b" tail")
    assert len(redacted) == len(b"key=" + RAW + b" tail")
    assert redacted.startswith(b"key=[REDACTED]")
    assert redacted.endswith(b" tail")
    assert not _contained(redacted)


@pytest.mark.parametrize(
    "spelling",
    [
        json.dumps({"key": SECRET}).encode(),
        json.dumps({"key": SECRET}, ensure_ascii=False).encode(),
        quote(SECRET, safe="").encode(),
        RAW.hex().encode(),
    ],
)
def test_other_spellings_are_replaced_too(spelling: bytes) -> None:
    redacted = Redactor([SECRET]).whole(spelling)
    assert len(redacted) == len(spelling)
    assert b"0123456789abcdef" not in redacted
    assert RAW.hex().encode()[6:-6] not in redacted


@given(before=st.binary(max_size=90), after=st.binary(max_size=90), wrapped=st.booleans(), safe=st.booleans())
def test_base64_of_a_text_that_contains_the_secret_can_be_decoded_to_no_secret(
    before: bytes, after: bytes, wrapped: bool, safe: bool
) -> None:
    text = before + RAW + after
    encoded = base64.encodebytes(text) if wrapped else base64.b64encode(text)
    if safe:
        encoded = encoded.translate(bytes.maketrans(b"+/", b"-_"))
    redacted = Redactor([SECRET]).whole(encoded)
    assert len(redacted) == len(encoded)
    letters = redacted.translate(bytes.maketrans(b"-_*[]", b"+/AAA"), b"\n")
    assert RAW[2:-2] not in base64.b64decode(letters + b"=" * (-len(letters) % 4))


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(1, 40), max_size=30))
def test_a_stream_shipped_in_pieces_is_the_file_redacted_at_once(data: bytes, cuts: list[int]) -> None:
    redactor = Redactor([SECRET])
    data = data[:100] + RAW + data[100:] + base64.b64encode(RAW)
    shipped, held, rest = b"", b"", data
    for cut in cuts:
        held, rest = held + rest[:cut], rest[cut:]
        ready = redactor.prefix(held)
        shipped, held = shipped + ready, held[len(ready) :]
    assert shipped + redactor.whole(held + rest) == redactor.whole(data)


def test_without_secrets_nothing_is_held_back() -> None:
    redactor = Redactor([])
    assert redactor.prefix(b"abc") == b"abc"
    assert redactor.whole(b"abc") == b"abc"


def test_the_longer_of_two_secrets_wins_where_one_begins_the_other() -> None:
    redacted = Redactor(["secret-key", "secret-key-two"]).whole(b"secret-key-two secret-key")
    assert b"two" not in redacted
    assert b"secret" not in redacted
