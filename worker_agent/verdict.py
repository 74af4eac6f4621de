"""Reads how a trial ended from what its process and Harbor left on the local disk."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from flotilla.causes import Cause, cause_of
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from worker_agent.bounds import Excess, noted

_TAIL_BYTES = 4_000
_LARGEST_DOCUMENT_BYTES = 16 << 20  # a result is a row of the database; Harbor's are some kilobytes


class Stopped(StrEnum):
    """Why the worker stopped a trial that had not ended."""

    CANCELLED = "cancelled"
    """Its run was cancelled."""
    PREEMPTED = "preempted"
    """The worker has to leave."""
    TIME_LIMIT = "time_limit"
    """It outlived the limits of all its phases together."""
    LIMIT = "limit"
    """It used up more of the host than it may."""
    LEASE_LOST = "lease_lost"
    """Its run is another trial's by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is left of a trial: its process's exit code, outcome and directory, and whether the worker stopped it.

    One that was stopped before it had a process has no exit code. `excess` is what it was stopped for if that was a
    limit, `notes` what its environment noted. `disk_full`: nothing more could be written to its scratch at its end.
    """

    exit_code: int | None
    outcome: Path
    directory: Path
    process_log: Path
    stopped: Stopped | None
    excess: Excess | None = None
    notes: Path | None = None
    disk_full: bool = False


def judge(remains: Remains) -> Ending:
    """A finished trial wins over any stop; a stopped one ends as it was stopped; else Harbor's exception says why."""
    result = _document(remains.directory / "result.json")
    outcome = _document(remains.outcome)
    tail = _tail(remains.directory / "trial.log") or _tail(remains.process_log)
    exception, message = _exception(result, outcome, remains.exit_code)
    rewards = _rewards(result)
    told = noted(_document(remains.notes) or {} if remains.notes else {})
    if rewards and exception != "CancelledError":
        cause = cause_of(exception, message) if exception else told.cause if told else None
        message = message or (told.message if told else "")
        return Ending(
            state=TrialState.GRADED, cause=cause, exception=exception, message=message, rewards=rewards, result=result
        )
    if remains.stopped is not None:
        return _stopped_ending(remains, result=result, tail=tail)
    if told is not None:
        return _limited_ending(told, result=result, tail=tail)
    if exception is None:
        exception, message = "RewardFileNotFoundError", "the verifier ended without a reward that is a finite number"
    # On a full disk anything fails, in any words: a program of the task, Harbor, or its last file.
    cause = Cause.HOST_RESOURCE if remains.disk_full else cause_of(exception, message)
    return Ending(
        state=TrialState.ERRORED, cause=cause, exception=exception, message=message, log_tail=tail, result=result
    )


def _limited_ending(found: Excess, *, result: Mapping[str, Any] | None, tail: str) -> Ending:
    return Ending(
        state=TrialState.ERRORED,
        cause=found.cause,
        exception=found.exception,
        message=found.message,
        log_tail=tail,
        result=result,
    )


def _stopped_ending(remains: Remains, *, result: Mapping[str, Any] | None, tail: str) -> Ending:
    if remains.stopped is Stopped.LIMIT and remains.excess is not None:
        return _limited_ending(remains.excess, result=result, tail=tail)
    state, cause = {
        Stopped.CANCELLED: (TrialState.CANCELLED, Cause.CANCELLED),
        Stopped.PREEMPTED: (TrialState.PREEMPTED, Cause.SPOT_RECLAIMED),
        Stopped.TIME_LIMIT: (TrialState.ERRORED, Cause.TIME_LIMIT),
        Stopped.LEASE_LOST: (TrialState.LOST, Cause.HOST_LOST),
    }[remains.stopped or Stopped.LEASE_LOST]
    return Ending(state=state, cause=cause, log_tail=tail, result=result)


def _document(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where none can be read: a process that is killed while it writes leaves half a one."""
    try:
        if path.stat().st_size > _LARGEST_DOCUMENT_BYTES:
            return None
        document = json.loads(path.read_bytes(), parse_constant=lambda _: None)  # NaN is no JSON, and no reward
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _exception(
    result: Mapping[str, Any] | None, outcome: Mapping[str, Any] | None, exit_code: int | None
) -> tuple[str | None, str]:
    """The class name and message of what went wrong: the trial's, else its first failed step's, else the process's."""
    if result is not None:
        infos = [
            result.get("exception_info"),
            *(step.get("exception_info") for step in result.get("step_results") or []),
        ]
        found = next((info for info in infos if info), None)
        if found is not None:
            return found["exception_type"], found["exception_message"]
        return None, ""
    if outcome and outcome.get("exception"):
        return outcome["exception"], outcome["message"]
    return "TrialProcessDied", f"the trial's process ended with exit code {exit_code} and left no result"


def _rewards(result: Mapping[str, Any] | None) -> dict[str, float] | None:
    verifier = (result or {}).get("verifier_result") or {}
    rewards = verifier.get("rewards") or {}
    numbers = {key: float(value) for key, value in rewards.items() if isinstance(value, int | float)}
    finite = all(math.isfinite(value) for value in numbers.values())
    return numbers if numbers and finite and len(numbers) == len(rewards) else None


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(size - _TAIL_BYTES, 0))
            return log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
