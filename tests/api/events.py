"""Server-sent events as a browser reads them: lines end with CR, LF or both, and nothing else."""

import re
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; comments and `retry` are none."""

    id: str | None
    kind: str
    data: str


def parse(text: str, *, last_id: str | None = None) -> list[Event]:
    """All complete events of a stream, each with the id that a browser would resume after."""
    events: list[Event] = []
    for block in re.split(r"(?:\r\n|\r|\n){2}", text)[:-1]:
        fields: dict[str, list[str]] = {}
        for line in re.split(r"\r\n|\r|\n", block):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        last_id = fields.get("id", [last_id])[-1]
        if "data" in fields:
            kind = fields.get("event", ["message"])[-1]
            events.append(Event(id=last_id, kind=kind, data="\n".join(fields["data"])))
    return events


def follow(api: httpx.Client, run_id: str, *, after: str | None = None, **query: Any) -> list[Event]:
    """The events of a stream that ends by itself."""
    headers = {} if after is None else {"Last-Event-ID": after}
    answer = api.get(f"/v1/runs/{run_id}/logs", params={"follow": "true", **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    return parse(answer.content.decode(), last_id=after)


def texts(events: list[Event]) -> list[str]:
    """The log's lines."""
    return [event.data for event in events if event.kind == "message"]
