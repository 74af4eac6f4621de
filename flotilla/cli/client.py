"""The HTTP API as calls: one a route, answers as the documents they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END
from typing import Any, BinaryIO, Self, cast

from flotilla.cli.connection import Connection, find_connection
from flotilla.cli.documents import Bundle, Job, Order, Queue, Redriven, Run, RunHistory, Worker
from flotilla.cli.events import Event, read_events
from flotilla.cli.faults import CommandFault
from flotilla.cli.resumable import PART_BYTES, ResumableUpload, notes_directory
from flotilla.cli.transport import Transport

PAGE = 200  # items a call, which is the most that the server gives


class Client:
    """Every call may raise CommandFault, which says what to do."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @classmethod
    @contextmanager
    def opened(cls, connection: Connection | None = None) -> Iterator[Self]:
        """A client of that server, else of the one that the environment names, else of the local stack."""
        with Transport.opened(connection or find_connection()) as transport:
            yield cls(transport)

    def upload_bundle(self, archive: BinaryIO, *, content_type: str) -> Bundle:
        """Stores an archive, a large one in parts; the same one again is the same bundle."""
        if archive.seek(0, SEEK_END) > PART_BYTES:
            notes = notes_directory(os.environ)
            return cast(Bundle, ResumableUpload(self.transport, archive, notes=notes).finish())
        return cast(Bundle, self.transport.upload("/v1/bundles", body=archive, content_type=content_type))

    def create_job(self, order: Order, *, bundle_id: str) -> Job:
        """Asks for runs of an uploaded bundle."""
        return cast(Job, self.transport.post("/v1/jobs", document={**order, "bundle": bundle_id}))

    def job(self, job_id: str) -> Job:
        """One job."""
        return cast(Job, self.transport.get(f"/v1/jobs/{job_id}"))

    def jobs(self, *, experiment: str | None, state: str | None, most: int) -> list[Job]:
        """The newest jobs."""
        asked = {"experiment": experiment, "state": state, "limit": min(most, PAGE)}
        return cast(list[Job], list(_first(self._items("/v1/jobs", asked), most)))

    def cancel_job(self, job_id: str) -> Job:
        """Cancels what has no result yet."""
        return cast(Job, self.transport.post(f"/v1/jobs/{job_id}/cancel"))

    def runs(self, job_id: str) -> Iterator[Run]:
        """A job's runs by number."""
        return cast(Iterator[Run], self._items(f"/v1/jobs/{job_id}/runs", {"limit": PAGE}))

    def run(self, run_id: str) -> RunHistory:
        """One run with its trials."""
        return cast(RunHistory, self.transport.get(f"/v1/runs/{run_id}"))

    def workers(self) -> list[Worker]:
        """The workers that live."""
        return cast(list[Worker], list(self._items("/v1/workers", {})))

    def queues(self) -> list[Queue]:
        """The two queues."""
        return cast(list[Queue], list(self._items("/v1/queues", {})))

    def redrive(self, priority: str | None) -> list[Redriven]:
        """Brings dead letters back, of one queue or of both; where some remain, it is to be called again."""
        return cast(list[Redriven], self.transport.post("/v1/queues/redrive", document={"priority": priority})["items"])

    def log(self, run_id: str, *, stream: str) -> Iterator[bytes]:
        """What there is of the log of the run's current trial, in parts."""
        offset = 0
        while True:
            part, next_offset = self.transport.get_part(
                f"/v1/runs/{run_id}/logs", parameters={"stream": stream, "offset": offset}
            )
            if next_offset == offset:
                return
            yield part
            offset = next_offset

    def log_events(self, run_id: str, *, stream: str, after: str | None) -> Iterator[Event]:
        """The log as it grows, from the event of the id `after` on, until the server ends its answer."""
        asked = {"stream": stream, "follow": "true"}
        with self.transport.lines(f"/v1/runs/{run_id}/logs", parameters=asked, last_event=after) as lines:
            yield from read_events(lines)

    def find_run(self, name: str) -> str:
        """The id of a run that is named by its id or as `JOB_ID/NUMBER`."""
        job_id, slash, number = name.partition("/")
        if not slash:
            return name
        if not number.isdecimal() or int(number) < 1:
            raise CommandFault(f"{name!r} names no run: give a run's id, or JOB_ID/NUMBER")
        page = self.transport.get(f"/v1/jobs/{job_id}/runs", parameters={"cursor": int(number) - 1, "limit": 1})
        if not page["items"] or page["items"][0]["number"] != int(number):
            raise CommandFault(f"job {job_id} has no run {number}: `flotilla job show {job_id}` lists them")
        return str(page["items"][0]["id"])

    def _items(self, path: str, asked: dict[str, Any]) -> Iterator[Any]:
        cursor = None
        while True:
            page = self.transport.get(path, parameters={**asked, "cursor": cursor})
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return


def _first(items: Iterator[Any], most: int) -> Iterator[Any]:
    return (item for item, _ in zip(items, range(most), strict=False))
