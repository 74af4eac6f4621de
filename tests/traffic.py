"""Counts what is asked of the database and of the queue: how many statements, how many calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from flotilla.queue import RunQueue


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Every statement that this engine sends within the block; what opens and ends a transaction is none."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def calls(queue: RunQueue) -> Iterator[list[str]]:
    """The name of every call that this queue's client makes within the block."""
    made: list[str] = []
    events = queue._client.meta.events  # nobody else has a reason to look at the client behind a queue

    def note(model: Any, **_: Any) -> None:
        made.append(model.name)

    events.register("before-call.sqs", note)
    try:
        yield made
    finally:
        events.unregister("before-call.sqs", note)
