"""Server-sent events, as the log of a run is followed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its kind (`message` unless the server says otherwise), its data, and the id to resume after."""

    kind: str
    data: str
    id: str | None


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in a stream's lines; one that is cut off is dropped, since the server sends it again."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")  # a comment has no name
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            kind, event_id = fields.get("event", ["message"])[-1], fields.get("id", [None])[-1]
            yield Event(kind=kind, data="\n".join(fields["data"]), id=event_id)
        fields = {}
