"""Output without end does not fill the memory of the process that runs the command."""

import sys

from worker_agent.kept_text import KeptText


def test_what_is_short_is_kept_whole() -> None:
    kept = KeptText(most=100, piece=10)
    for number in range(20):
        kept.add(f"{number:02}")
    assert kept.text == "".join(f"{number:02}" for number in range(20))


def test_of_what_never_ends_the_beginning_and_the_end_stay_and_the_gap_is_told() -> None:
    kept = KeptText(most=1000, piece=10)
    for number in range(10_000):
        kept.add(f"{number:05}")
    text = kept.text
    assert text.startswith("0000000001")
    assert text.endswith("0999809999")
    assert "characters are left out here by Flotilla]" in text
    assert len(text) < 2200


def test_many_small_pieces_cost_little_more_than_they_hold() -> None:
    kept = KeptText(most=1 << 16)
    for _ in range(1 << 20):
        kept.add("x")
    held = [*kept._head, *kept._tail, *kept._last]
    assert sum(map(sys.getsizeof, held)) < 1 << 23
