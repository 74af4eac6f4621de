"""Where the time of a whole pipeline goes, by the times in the API's answers and Harbor's result, all of one clock."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

HARBORS_PHASES = ("environment_setup", "agent_setup", "agent_execution", "verifier")


def split(history: Mapping[str, Any], result: Mapping[str, Any], *, asked: float, seen: float) -> dict[str, float]:
    """Seconds by stretch of the way, of a run that was asked for and seen graded at these Unix times."""
    trial = history["trials"][-1]
    moments = {
        "": asked,
        "request to lease": _unix(trial["started_at"]),
        "lease to Harbor's start": _unix(result["started_at"]),
        **_phases(result),
        "the rest in Harbor": _unix(result["finished_at"]),
        "shipping and publication": _unix(history["finished_at"]),
        "until the API was seen to say so": seen,
    }
    return {name: later - earlier for (_, earlier), (name, later) in pairwise(moments.items())}


def _phases(result: Mapping[str, Any]) -> dict[str, float]:
    """The end of each phase that Harbor timed."""
    timed = {phase: (result.get(phase) or {}).get("finished_at") for phase in HARBORS_PHASES}
    return {f"Harbor's {phase.replace('_', ' ')}": _unix(end) for phase, end in timed.items() if end}


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
