"""A worker without Harbor: moves runs along and ships logs, as real workers do it through the store."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from flotilla.ids import new_id, new_trial_name
from flotilla.layout import Layout
from flotilla.states import RunState, TrialState
from flotilla.store.dispatching import mark_sent
from flotilla.store.endings import Ending, finish
from flotilla.store.leases import Claimed, claim
from flotilla.store.logs import Shipped, Stream, record_shipped
from flotilla.store.workers import NewWorker, register_worker

LOGS: Mapping[Stream, str] = {
    Stream.TRIAL: "trial.log",
    Stream.AGENT: "agent/oracle.txt",
    Stream.VERIFIER: "verifier/test-stdout.txt",
}
RESULT = {"trial_name": "t", "verifier_result": {"rewards": {"reward": 1.0}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One worker of many slots."""

    engine: Engine
    layout: Layout
    worker_id: str

    @classmethod
    def of_one(cls, engine: Engine, layout: Layout) -> "Fleet":
        """Registers the worker."""
        worker = NewWorker(
            id=new_id("worker"), name="w-1", slots=60, environment="sandbox", version="0.1.0", harbor_version="0.24.0"
        )
        with engine.begin() as connection:
            register_worker(connection, worker)
        return cls(engine=engine, layout=layout, worker_id=worker.id)

    def send(self, *run_ids: str) -> None:
        """Marks runs as queued."""
        with self.engine.begin() as connection:
            mark_sent(connection, run_ids)

    def start(self, run_id: str, *, conditions: Mapping[str, object] | None = None) -> Claimed:
        """Claims a run and opens its trial, which begins under these conditions."""
        with self.engine.begin() as connection:
            claimed = claim(
                connection,
                run_id=run_id,
                worker_id=self.worker_id,
                trial_id=new_id("trial"),
                trial_name=new_trial_name(),
                lease_seconds=90,
                conditions=conditions,
            )
        assert isinstance(claimed, Claimed)
        return claimed

    def log_file(self, trial: Claimed, *, stream: Stream = Stream.TRIAL) -> Path:
        return self.layout.trial(trial.job_id, trial.number, trial.trial_name) / LOGS[stream]

    def ship(self, trial: Claimed, data: bytes, *, stream: Stream = Stream.TRIAL) -> None:
        """Appends to a log on the shared file system, then records the size."""
        path = self.log_file(trial, stream=stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
            size = file.tell()
        self.record(trial, size=size, stream=stream)

    def record(self, trial: Claimed, *, size: int, stream: Stream = Stream.TRIAL) -> None:
        """Records a size alone."""
        shipped = Shipped(trial_id=trial.lease.trial_id, streams={stream: (LOGS[stream], size)})
        with self.engine.begin() as connection:
            record_shipped(connection, [shipped])

    def end(self, trial: Claimed, ending: Ending) -> RunState | None:
        """Ends a trial."""
        lease = trial.lease
        with self.engine.begin() as connection:
            return finish(connection, run_id=lease.run_id, token=lease.token, trial_id=lease.trial_id, ending=ending)

    def grade(self, trial: Claimed, reward: float = 1.0, *, conditions: Mapping[str, object] | None = None) -> None:
        """Ends a trial with a reward; `conditions` are what was measured while it ran."""
        good = Ending(state=TrialState.GRADED, rewards={"reward": reward}, result=RESULT, log_tail="the end")
        self.end(trial, replace(good, conditions=conditions))

    def preempt(self, trial: Claimed) -> None:
        """Gives a trial's run back."""
        self.end(trial, Ending(state=TrialState.PREEMPTED))
