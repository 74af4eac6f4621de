"""Harbor's own command line, of the pinned version: what Flotilla is compared with."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.faults import BenchFault

COMMAND = str(Path(sys.executable).with_name("harbor"))
LAST_LINES = 15
OFFLINE = {"HARBOR_TELEMETRY": "0", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Neither the vendors' servers nor the way to them is part of what is timed; without these Harbor is slower still."""


def start_trial(task: Path, out: Path) -> None:
    """`harbor trial start`, to its end. Raises BenchFault unless it was graded 1.0."""
    run([COMMAND, "trial", "start", "-p", str(task), "-a", "oracle", "--trials-dir", str(out)])
    check_graded(out.glob("*/result.json"), runs=1)


def run_job(task: Path, out: Path, *, runs: int, at_once: int) -> None:
    """`harbor run -k RUNS -n AT_ONCE`, to its end. Raises BenchFault unless all were graded 1.0."""
    run(job_command(task, out, runs=runs, at_once=at_once))
    check_graded(out.glob("*/*/result.json"), runs=runs)


def job_command(task: Path, out: Path, *, runs: int, at_once: int) -> list[str]:
    """The words of a `harbor run` that asks nothing and shows nothing."""
    counts = ["-k", str(runs), "-n", str(at_once)]
    return [COMMAND, "run", "-p", str(task), "-a", "oracle", *counts, "-o", str(out), "--quiet", "--yes"]


def run(command: Sequence[str]) -> None:
    """Raises BenchFault with the last lines of a command that fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **OFFLINE})
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise BenchFault(f"{' '.join(command[:3])} ended with {done.returncode}:\n{said}")


def check_graded(results: Iterable[Path], *, runs: int) -> None:
    """Raises BenchFault unless there are so many results, each with reward 1.0."""
    documents = [json.loads(path.read_text()) for path in results]
    rewards = [_reward(document) for document in documents]
    if rewards != [1.0] * runs:
        faults = {str((document.get("exception_info") or {}).get("exception_message")) for document in documents}
        raise BenchFault(f"Harbor graded {rewards.count(1.0)} of {runs} runs 1.0: {sorted(faults)}")


def _reward(result: Mapping[str, Any]) -> float | None:
    rewards = (result.get("verifier_result") or {}).get("rewards") or {}
    return rewards.get("reward")
