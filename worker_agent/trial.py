"""One trial by Harbor, in a process of its own: from an order to Harbor's files and an outcome.

This is what the nursery's children run. Harbor's own retries are not in play (a trial is one execution), and its
in-place scrubbing of finished logs is off: the stream that leaves the worker is redacted at equal length instead, so
that an offset once given stays good.
"""

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker_agent.rewards import read_plainly

PRELOADED = (
    "harbor.trial.trial",
    "harbor.trial.single_step",
    "harbor.trial.multi_step",
    "harbor.trial.sync_trajectory",
    "harbor.agents.oracle",
    "worker_agent.trial",
)
"""What the nursery imports once for all trials, beside the environment's own modules."""

REHEARSAL = "worker_agent.rehearsal:rehearse"
"""What it does before its first order, which fills the rest of what all trials use alike."""

CANCELLED_EXIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What the trial process needs to know. Paths are on the worker's local disk; secrets are in the environment."""

    name: str
    task: str
    trials: str
    outcome: str
    agent_name: str
    agent_model: str | None
    agent_kwargs: Mapping[str, Any]
    secrets: tuple[str, ...]
    environment: Mapping[str, Any]
    build_patience: float
    default_agent_seconds: float
    override_agent_seconds: float | None


def run(**words: Any) -> int:
    """The nursery's entry: runs the trial and writes its outcome; the exit code says only whether it was cancelled."""
    order = TrialOrder(**words)
    try:
        cancelled = asyncio.run(_run(order))
    except Exception as fault:  # Harbor refused before there was a result: the outcome says what it said
        _write_outcome(Path(order.outcome), exception=type(fault).__name__, message=str(fault))
        _tell_in_log(Path(order.trials, order.name), fault)
        raise
    _write_outcome(Path(order.outcome), cancelled=cancelled)
    return CANCELLED_EXIT if cancelled else 0


async def _run(order: TrialOrder) -> bool:
    from harbor.trial.trial import Trial  # noqa: PLC0415 - the nursery has it; a worker's other code must not load it
    from harbor.verifier.verifier import Verifier  # noqa: PLC0415

    read_plainly(Verifier)
    trial = await Trial.create(_trial_config(order))
    if trial.task.config.agent.timeout_sec is None:
        trial.task.config.agent.timeout_sec = order.default_agent_seconds  # what steps without a limit inherit
    trial._scrub_jobs_dir = lambda: None  # type: ignore[method-assign] # see above
    work = asyncio.create_task(trial.run())
    # Exactly one cancel: a second one makes Harbor leave its containers behind.
    cancel_once = lambda: work.cancelling() or work.cancel()  # noqa: E731
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cancel_once)
    try:
        await work
    except asyncio.CancelledError:
        return True
    return False


def _trial_config(order: TrialOrder) -> Any:
    from harbor.models.trial.config import (  # noqa: PLC0415 - see above
        AgentConfig,
        EnvironmentConfig,
        TaskConfig,
        TrialConfig,
    )

    return TrialConfig(
        task=TaskConfig(path=Path(order.task)),
        trial_name=order.name,
        trials_dir=Path(order.trials),
        environment_build_timeout_multiplier=order.build_patience,
        agent=AgentConfig(
            name=order.agent_name,
            model_name=order.agent_model,
            kwargs=dict(order.agent_kwargs),
            env={name: f"${{{name}}}" for name in order.secrets},  # the template is what lands in config.json
            override_timeout_sec=order.override_agent_seconds,
        ),
        environment=EnvironmentConfig(**order.environment),
    )


def _tell_in_log(directory: Path, fault: Exception) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "trial.log").open("a", encoding="utf-8") as log:
        log.write(f"Trial {directory.name} could not begin: {type(fault).__name__}: {fault}\n")


def _write_outcome(path: Path, **words: Any) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(words), encoding="utf-8")
    draft.replace(path)
