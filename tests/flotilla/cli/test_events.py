"""Server-sent events: read as the standard says."""

from flotilla.cli.events import Event, read_events


def test_an_event_has_a_kind_an_id_and_all_its_lines() -> None:
    lines = ["retry: 1000", "", ": keep-alive", "", "event: end", "id: a:7", "data: one", "data:two", "data", ""]
    assert list(read_events(lines)) == [Event(kind="end", data="one\ntwo\n", id="a:7")]


def test_an_event_without_a_kind_is_a_message() -> None:
    assert list(read_events(["data:  indented", ""])) == [Event(kind="message", data=" indented", id=None)]


def test_an_event_that_is_cut_off_is_dropped() -> None:
    assert list(read_events(["id: a:1", "data: half"])) == []
