"""What is known of a run's logs: whose they are, how much of them was shipped, and whether more can come."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from flotilla.layout import Layout
from flotilla.states import TERMINAL, RunState, TrialState
from flotilla.store.logs import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLog:
    """One stream of one trial: its path in the trial's directory (None if nothing was shipped), its size in bytes."""

    trial: str
    ended: bool
    path: str | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """One stream of all trials of a run, oldest first; `current` is the one that counts, or else the latest."""

    job_id: str
    number: int
    state: RunState
    reward: float | None
    cause: str | None
    trials: Sequence[TrialLog]
    current: TrialLog | None

    @property
    def is_over(self) -> bool:
        """Whether no further trial can come."""
        return self.state in TERMINAL

    def of(self, trial: str) -> TrialLog | None:
        """The log of the trial of that name."""
        return next((log for log in self.trials if log.trial == trial), None)

    def after(self, trial: str) -> TrialLog | None:
        """The log of the trial that followed the one of that name."""
        names = [log.trial for log in self.trials]
        following = names.index(trial) + 1
        return self.trials[following] if following < len(names) else None

    def file(self, log: TrialLog, *, layout: Layout) -> Path | None:
        """Where the log lies. A path that leads out of the trial's directory is no log of it."""
        if log.path is None:
            return None
        directory = layout.trial(self.job_id, self.number, log.trial)
        path = Path(log.path)
        return None if path.is_absolute() or ".." in path.parts else directory / path


_LOGS = text("""
    SELECT runs.job_id, runs.number, runs.state, runs.reward, runs.cause, runs.trial_id,
        trials.id, trials.name, trials.state AS trial_state,
        trials.logs -> CAST(:stream AS text) ->> 'path' AS path,
        coalesce(CAST(trials.logs -> CAST(:stream AS text) ->> 'size' AS bigint), 0) AS size
    FROM runs JOIN jobs ON jobs.id = runs.job_id LEFT JOIN trials ON trials.run_id = runs.id
    WHERE runs.id = :run AND jobs.tenant = :tenant
    ORDER BY trials.number
""")


def get_log(connection: Connection, *, run_id: str, tenant: str, stream: Stream) -> RunLog | None:
    """One stream of the tenant's run of that id, as of one moment."""
    rows = connection.execute(_LOGS, {"run": run_id, "tenant": tenant, "stream": stream}).all()
    if not rows:
        return None
    logs = {
        row.id: TrialLog(
            trial=row.name, ended=TrialState(row.trial_state) is not TrialState.RUNNING, path=row.path, size=row.size
        )
        for row in rows
        if row.id is not None
    }
    run = rows[0]
    latest = next(reversed(logs.values()), None)
    return RunLog(
        job_id=run.job_id,
        number=run.number,
        state=RunState(run.state),
        reward=run.reward,
        cause=run.cause,
        trials=tuple(logs.values()),
        current=logs.get(run.trial_id, latest),
    )
