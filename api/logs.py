"""`/v1/runs/{id}/logs`: what was shipped of a trial's logs, by offset or as it grows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.authentication import Caller
from api.context import MEBIBYTE, ApiContext, Context
from api.following import Position, Tail, follow
from api.log_text import read_shipped, whole_characters
from api.problems import Flaw, Kind, Problem, documented
from api.runs import no_run
from api.schemas import Id, Sent
from flotilla.store.logs import Stream
from flotilla.store.reading_logs import RunLog, TrialLog, get_log

TEXT = "text/plain; charset=utf-8"
EVENTS = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_LARGEST_OFFSET = (1 << 53) - 1

type EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,255}:[0-9]{1,15}$")]

router = APIRouter(prefix="/runs", tags=["runs"])


class LogQuery(Sent):
    """Which log, and which part of it. Offsets count bytes."""

    stream: Stream = Stream.TRIAL
    trial: str | None = Field(default=None, max_length=255, description="An earlier trial; by default the current one")
    offset: int = Field(default=0, ge=0, le=_LARGEST_OFFSET)
    limit: int = Field(default=MEBIBYTE, ge=1, le=4 * MEBIBYTE)
    follow: bool = Field(default=False, description="Server-sent events instead of text: one a line, as the log grows")
    last_event_id: EventId | None = Field(default=None, description="For clients that cannot send the header")


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes from the offset on, or with `follow` the stream of events",
        "content": {"text/plain": {"schema": {"type": "string"}}, EVENTS: {"schema": {"type": "string"}}},
        "headers": {
            "X-Next-Offset": {"description": "Where to read on", "schema": {"type": "integer"}},
            "X-Complete": {"description": "Whether nothing more can come", "schema": {"enum": ["true", "false"]}},
            "X-Trial": {"description": "Whose log it is", "schema": {"type": "string"}},
        },
    },
    **documented(Kind.NOT_FOUND, Kind.INVALID),
}


@dataclass(frozen=True, slots=True)
class _Source:
    """One stream of a caller's run, as often as it is looked at."""

    context: ApiContext
    caller: Caller
    run_id: str
    stream: Stream

    def look(self) -> RunLog:
        with self.context.engine.begin() as connection:
            run = get_log(connection, run_id=self.run_id, tenant=self.caller.tenant, stream=self.stream)
        if run is None:
            raise no_run(self.run_id)
        return run

    def file(self, run: RunLog, log: TrialLog) -> Path | None:
        return run.file(log, layout=self.context.layout)


@router.get("/{run_id}/logs", operation_id="read_log", response_class=Response, responses=_ANSWER)
def read_log(
    run_id: Id,
    query: Annotated[LogQuery, Query()],
    request: Request,
    context: Context,
    caller: Caller,
    last_event_id: Annotated[EventId | None, Header()] = None,
) -> Response:
    """Reads a log, or follows it."""
    source = _Source(context, caller, run_id, query.stream)
    run = source.look()
    if not query.follow:
        return _part(source, run, query)
    position = _start(run, query=query, event_id=last_event_id or query.last_event_id)
    streaming = context.streaming
    tail = Tail(source.look, file_of=source.file, position=position, patience_seconds=streaming.patience_seconds)
    threads: CapacityLimiter = request.app.state.following_threads
    events = follow(tail, streaming=streaming, threads=threads, gone=request.is_disconnected)
    return StreamingResponse(events, media_type=EVENTS, headers={**_HEADERS, "X-Accel-Buffering": "no"})


def _trial(run: RunLog, name: str, *, pointer: str) -> TrialLog:
    log = run.of(name)
    if log is None:
        flaw = Flaw(pointer=pointer, detail=f"this run has no trial {name}", mend="GET /v1/runs/{id} lists its trials.")
        raise Problem(Kind.NOT_FOUND, flaw.detail, errors=[flaw])
    return log


def _start(run: RunLog, *, query: LogQuery, event_id: str | None) -> Position | None:
    """Where a follower begins; None is the beginning of the current trial, or of the first one to come."""
    if event_id is not None:
        name, _, offset = event_id.rpartition(":")
        return Position(trial=_trial(run, name, pointer="/last-event-id").trial, offset=int(offset))
    log = _chosen(run, query)
    if log is None or (query.trial is None and query.offset == 0):
        return None
    return Position(trial=log.trial, offset=query.offset)


def _chosen(run: RunLog, query: LogQuery) -> TrialLog | None:
    return run.current if query.trial is None else _trial(run, query.trial, pointer="/trial")


def _part(source: _Source, run: RunLog, query: LogQuery) -> Response:
    log = _chosen(run, query)
    if log is None:
        return _text(b"", next_offset=0, complete=run.is_over, trial=None)
    most = min(query.limit, source.context.max_log_read)
    data = read_shipped(source.file(run, log), offset=query.offset, end=log.size, most=most)
    complete = log.ended and query.offset + len(data) >= log.size
    if not complete:  # the rest of a character that is cut off comes with the next part
        data = data[: whole_characters(data) or len(data)]
    return _text(data, next_offset=query.offset + len(data), complete=complete, trial=log.trial)


def _text(data: bytes, *, next_offset: int, complete: bool, trial: str | None) -> Response:
    headers = {**_HEADERS, "X-Next-Offset": str(next_offset), "X-Complete": str(complete).lower()}
    if trial is not None:
        headers["X-Trial"] = trial
    return Response(data, media_type=TEXT, headers=headers)
