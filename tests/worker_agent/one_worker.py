"""One worker's parts on a test's event loop, real but for Harbor: its trial processes run errands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Row, text

from flotilla.archive import Limits
from flotilla.ids import new_id, new_trial_name
from flotilla.messages import Message
from flotilla.states import Priority
from flotilla.store.leases import Claimed, claim
from flotilla.store.room import Declared
from flotilla.store.workers import NewWorker, register_worker
from tests.worker_agent.workplace import Workplace
from worker_agent.admission import Admission
from worker_agent.assignment import Assignment
from worker_agent.bundle_cache import BundleCache
from worker_agent.capacity import Capacity
from worker_agent.environments import Chosen
from worker_agent.equipment import Equipment
from worker_agent.roster import Roster
from worker_agent.secret_values import SecretValues
from worker_agent.settings import Wanted, WorkerSettings
from worker_agent.threads import Threads
from worker_agent.trial_processes import Order, TrialProcess, TrialProcesses

ERRANDS = "tests.worker_agent.errands"


class Errands(TrialProcesses):
    """Real processes of a real nursery that run an errand instead of a trial."""

    errand = "grade"

    async def start(self, order: Order) -> TrialProcess:
        place = str(Path(order.arguments["trials"], order.arguments["name"]))
        return await super().start(replace(order, entry=f"{ERRANDS}:{self.errand}", arguments={"place": place}))


ROOMY = Capacity(
    host=Declared(cpus=1e3, memory_mb=1e6, storage_mb=1e6), cpu_overcommit=1, memory_overcommit=1, storage_overcommit=1
)


@dataclass(slots=True, kw_only=True)
class OneWorker:
    """A registered worker and what it has in hand."""

    workplace: Workplace
    equipment: Equipment
    errands: Errands
    roster: Roster

    async def received(self) -> Message:
        """The next message of the queue."""
        received = await self.equipment.threads.receive(
            lambda: self.workplace.queue.receive(Priority.NORMAL, most=1, wait_seconds=5, visibility_seconds=60)
        )
        [message] = received.messages
        return message

    async def begun(self, errand: str) -> Assignment:
        """The next message's run, claimed and in hand."""
        self.errands.errand = errand
        message = await self.received()
        self.roster.receive(message)
        claimed = await self.equipment.threads.database(
            lambda connection: claim(
                connection,
                run_id=message.run_id,
                worker_id=self.equipment.worker_id,
                trial_id=new_id("trial"),
                trial_name=new_trial_name(),
                lease_seconds=self.workplace.lease_seconds,
            )
        )
        assert isinstance(claimed, Claimed)
        assignment = Assignment(claimed, message=message, equipment=self.equipment)
        self.roster.begin(assignment)
        return assignment

    def row(self, table: str, key: str) -> Row[Any]:
        with self.workplace.engine.begin() as connection:
            return connection.execute(text(f"SELECT * FROM {table} WHERE id = :id"), {"id": key}).one()

    def trial(self, assignment: Assignment) -> Row[Any]:
        return self.row("trials", assignment.run.lease.trial_id)

    def run(self, assignment: Assignment) -> Row[Any]:
        return self.row("runs", assignment.run.lease.run_id)

    def shared(self, assignment: Assignment) -> Path:
        run = assignment.run
        return self.workplace.layout.trial(run.job_id, run.number, run.trial_name)


@asynccontextmanager
async def one_worker(workplace: Workplace) -> AsyncIterator[OneWorker]:
    """A worker that is registered, for the length of a `with` block."""
    variables = workplace.variables("one", slots=4)
    settings = WorkerSettings(
        database_url=workplace.database_url,
        queue_url=workplace.urls[Priority.NORMAL],
        queue_high_url=workplace.urls[Priority.HIGH],
        shared=workplace.layout.root,
        scratch=workplace.scratch("one"),
        lease_seconds=workplace.lease_seconds,
    )
    errands = await Errands.open(scratch=settings.scratch, modules=[ERRANDS], environment=variables)
    assert isinstance(errands, Errands)
    threads = Threads(workplace.engine)
    equipment = Equipment(
        worker_id=new_id("worker"),
        engine=workplace.engine,
        settings=settings,
        chosen=Chosen(name=Wanted.SANDBOX, reason="no trial runs in it"),
        threads=threads,
        queue=workplace.queue,
        layout=workplace.layout,
        bundles=BundleCache(settings.scratch / "bundles", layout=workplace.layout, limits=Limits(), threads=threads),
        processes=errands,
        secret_values=SecretValues(file=None, environment={}),
        admission=Admission(ROOMY),
        trial_variables={"PATH": variables["PATH"]},
        build_patience=1.0,
        environment_of=lambda _, __: {},
    )
    worker = NewWorker(
        id=equipment.worker_id, name="one", slots=4, environment="sandbox", version="0", harbor_version="0"
    )
    await threads.database(lambda connection: register_worker(connection, worker))
    watch = asyncio.create_task(errands.watch())
    try:
        yield OneWorker(workplace=workplace, equipment=equipment, errands=errands, roster=Roster())
    finally:
        await errands.close()
        await watch
        threads.close()
