"""What callers send, and the pages in which lists come back."""

import json
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from flotilla.agents import AGENTS, NEEDS_NO_MODEL
from flotilla.redriving import Redriven
from flotilla.secret_names import MODEL_KEY, flaw_of
from flotilla.states import JobState, Priority, RunState
from flotilla.store.shown import Counts, Job, Run
from flotilla.store.workers import Worker

ID_PATTERN = r"^[a-z0-9_]{1,64}$"
MOST_TRIALS = 100
MOST_SECRETS = 50
MOST_LEVELS = 20

Id = Annotated[str, Path(pattern=ID_PATTERN)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Count = Annotated[int, Field(strict=True, ge=1)]


def _known_agent(name: str) -> str:
    if name in AGENTS:
        return name
    near = get_close_matches(name, AGENTS, n=1)
    mend = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(sorted(AGENTS))}."
    raise PydanticCustomError("unknown_agent", "Harbor has no agent '{name}'", {"name": name, "mend": mend})


def _allowed_secret(name: str) -> str:
    flaw = flaw_of(name)
    if flaw is None:
        return name
    mend = "Name the secret otherwise, in `secrets` and where its value is kept."
    raise PydanticCustomError("secret_name", "'{name}' {flaw}", {"name": name, "flaw": flaw, "mend": mend})


def _is_nested_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_nested_deeper(part, levels - 1) for part in inner)


def _storable(document: dict[str, Any]) -> dict[str, Any]:
    """The document, if PostgreSQL and every later reader can take it."""
    flaw, mend = None, "Write it as a string."
    if _is_nested_deeper(document, MOST_LEVELS):
        flaw, mend = f"this is nested more than {MOST_LEVELS} levels deep", "Make it flatter."
    else:
        try:
            json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        except ValueError as error:
            flaw = f"this has a number that is not finite, or half a character ({error})"
    if flaw is not None:
        raise PydanticCustomError("not_storable", "{flaw}", {"flaw": flaw, "mend": mend})
    return document


class Sent(BaseModel):
    """Something that a caller sends: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class AgentOrder(Sent):
    """The agent that is to solve the task."""

    name: Annotated[str, AfterValidator(_known_agent)] = Field(
        description="One of Harbor's agents", json_schema_extra={"enum": [*sorted(AGENTS)]}
    )
    model: Line | None = None
    kwargs: Annotated[dict[str, Any], AfterValidator(_storable)] = Field(
        default={}, description="What the agent is told beside"
    )


class JobOrder(Sent):
    """N runs of a bundle's task by one agent and one model."""

    bundle: Annotated[str, Field(pattern=ID_PATTERN)] = Field(description="The id of an uploaded bundle")
    agent: AgentOrder
    runs: Count = 1
    priority: Priority = Priority.NORMAL
    experiment: Line | None = Field(default=None, description="A label shared by jobs that belong together")
    max_trials: Annotated[Count, Field(le=MOST_TRIALS)] = Field(
        default=1, description="Trials a run may have that end with errors of its own; lost workers do not count"
    )
    secrets: list[Annotated[str, AfterValidator(_allowed_secret)]] | None = Field(
        default=None,
        max_length=MOST_SECRETS,
        description=f"Names of secrets that the trials get; by default {MODEL_KEY} for agents that have a model",
    )

    def secret_names(self) -> list[str]:
        """The secrets' names, each once."""
        if self.secrets is None:
            return [] if self.agent.name in NEEDS_NO_MODEL else [MODEL_KEY]
        return list(dict.fromkeys(self.secrets))


class BundleOrder(Sent):
    """A bundle of what came up in parts."""

    upload: Annotated[str, Field(pattern=ID_PATTERN)] = Field(description="The id of a whole upload")


class JobFilter(Sent):
    """Which jobs, and from where on."""

    experiment: Line | None = None
    state: JobState | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, Field(pattern=ID_PATTERN)] | None = None


class RunFilter(Sent):
    """Which of a job's runs, and from where on."""

    state: RunState | None = None
    limit: int = Field(default=100, ge=1, le=200)
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None


class WorkerFilter(Sent):
    """Which workers."""

    gone: bool = Field(default=False, description="Also those that stopped or were lost")


class RedriveOrder(Sent):
    """Which queue's dead letters are to come back."""

    priority: Priority | None = Field(default=None, description="That of one queue; without it, both are meant")


class UploadMade(BaseModel):
    """A new upload: `received` of its `length` bytes are here."""

    id: str
    length: int
    received: int
    expires_at: datetime


class JobPage(BaseModel):
    """Jobs, newest first."""

    items: list[Job]
    next_cursor: str | None


class RunPage(BaseModel):
    """A job's runs by number, and where all of its runs stand."""

    items: list[Run]
    next_cursor: str | None
    counts: Counts


class WorkerPage(BaseModel):
    """Workers by name."""

    items: list[Worker]


class QueueStanding(BaseModel):
    """About how many messages a queue holds."""

    priority: Priority
    visible: int = Field(description="Those that wait for a worker")
    in_flight: int = Field(description="Those that a worker has")
    delayed: int
    dead_letters: int = Field(description="Those that were received too often, and lie on the queue behind it")


class QueuePage(BaseModel):
    """The queues, high priority first."""

    items: list[QueueStanding]


class RedrivePage(BaseModel):
    """What became of the dead letters of each queue; where some remain, ask again."""

    items: list[Redriven]


class Health(BaseModel):
    """That the API answers, and what it reached."""

    status: str
    version: str
    database: str
