"""A small fleet in a fresh database, as tests of the store and of the pulse use it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, text

from flotilla.layout import BundleFormat
from flotilla.states import RunState, WorkerState
from flotilla.store.bundles import NewBundle, put_bundle
from flotilla.store.endings import Ending, finish
from flotilla.store.jobs import NewJob, create_job, mark_filled, new_job_id
from flotilla.store.leadership import GAP_SECONDS, LEADER, did_well, lead
from flotilla.store.leases import Claimed, Lease, Renewed, claim, renew
from flotilla.store.workers import NewWorker, register_worker

LEASE_SECONDS = 90


class Fleet:
    """The store as tests use it: every step is one committed transaction, as it would be for a worker."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with engine.begin() as connection:
            self.bundle_id = put_bundle(connection, _bundle()).id

    def do[T](self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    def job(self, *, runs: int = 1, filled: bool = True, **words: Any) -> list[str]:
        """A new job's runs, in order of their numbers; it has no archive on disk, so it counts as laid out."""
        job_id = new_job_id()
        job = NewJob(tenant="default", bundle_id=self.bundle_id, runs=runs, agent_name="oracle", **words)
        self.do(lambda connection: create_job(connection, job, job_id=job_id))
        if filled:
            self.do(lambda connection: mark_filled(connection, job_id=job_id))
        find = text("SELECT id FROM runs WHERE job_id = :job ORDER BY number")
        return self.do(lambda connection: list(connection.execute(find, {"job": job_id}).scalars()))

    def worker(self, name: str = "worker") -> str:
        worker_id = f"worker_{uuid4().hex}"
        worker = NewWorker(id=worker_id, name=name, slots=4, environment="docker", version="0", harbor_version="0")
        self.do(lambda connection: register_worker(connection, worker))
        return worker_id

    def claim(self, run_id: str, worker_id: str, *, lease_seconds: float = LEASE_SECONDS, **more: Any) -> Any:
        name = uuid4().hex
        return self.do(
            lambda connection: claim(
                connection,
                run_id=run_id,
                worker_id=worker_id,
                trial_id=f"trial_{name}",
                trial_name=f"task__{name}",
                lease_seconds=lease_seconds,
                **more,
            )
        )

    def claimed(self, run_id: str, worker_id: str, *, lease_seconds: float = LEASE_SECONDS, **more: Any) -> Claimed:
        claimed = self.claim(run_id, worker_id, lease_seconds=lease_seconds, **more)
        assert isinstance(claimed, Claimed)
        return claimed

    def ticked(self) -> None:
        """A good tick of a pulse of its own."""
        step = {"name": LEADER, "holder": "tests"}
        self.do(lambda c: lead(c, **step, seconds=600, gap_seconds=GAP_SECONDS, quiet_seconds=LEASE_SECONDS))
        self.do(lambda c: did_well(c, **step))

    def away(self, seconds: float) -> None:
        """The database was away for so long: every moment that it knows lies that much further back."""
        for table, column in (("runs", "lease_until"), ("workers", "seen_at"), ("leaders", "good_at")):
            change = f"UPDATE {table} SET {column} = {column} - make_interval(secs => :seconds)"
            self.do(lambda c, change=change: c.execute(text(change), {"seconds": seconds}))  # type: ignore[misc]

    def renew(self, worker_id: str) -> list[Renewed]:
        """One renewal of a worker that accepts."""
        state = WorkerState.ACCEPTING
        return self.do(lambda c: renew(c, worker_id=worker_id, lease_seconds=LEASE_SECONDS, busy=1, state=state))

    def finish(self, lease: Lease, ending: Ending) -> RunState | None:
        """The trial's own worker ends it."""
        run_id, token, trial_id = lease.run_id, lease.token, lease.trial_id
        return self.do(lambda c: finish(c, run_id=run_id, token=token, trial_id=trial_id, ending=ending))

    def row(self, run_id: str) -> Row[Any]:
        return self.do(lambda c: c.execute(text("SELECT * FROM runs WHERE id = :id"), {"id": run_id}).one())

    def job_row(self, run_id: str) -> Row[Any]:
        find = text("SELECT jobs.* FROM jobs JOIN runs ON runs.job_id = jobs.id WHERE runs.id = :id")
        return self.do(lambda connection: connection.execute(find, {"id": run_id}).one())

    def trials(self, run_id: str) -> list[Row[Any]]:
        find = text("SELECT * FROM trials WHERE run_id = :id ORDER BY number")
        return self.do(lambda connection: list(connection.execute(find, {"id": run_id})))


def _bundle() -> NewBundle:
    return NewBundle(
        tenant="default",
        sha256="0" * 64,
        format=BundleFormat.ZIP,
        size=1,
        unpacked_size=1,
        files=1,
        task_name="hello",
        task={},
    )
