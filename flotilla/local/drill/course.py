"""The course of a drill: a stack is raised, loaded, injured, brought to rest, questioned and stopped."""

import resource
import time
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Engine

from flotilla import database
from flotilla.cli.client import Client
from flotilla.cli.task_archive import open_task
from flotilla.layout import Layout
from flotilla.local.drill.facts import Facts
from flotilla.local.drill.ground import Ground, prepared
from flotilla.local.drill.injuries import Injuries
from flotilla.local.drill.leavings import leavings
from flotilla.local.drill.options import Options
from flotilla.local.drill.report import Report
from flotilla.local.drill.rest import Rest
from flotilla.local.drill.schedule import schedule
from flotilla.local.drill.verdict import judge
from flotilla.local.drill.watch import Watch
from flotilla.local.drill.witness import ask_queues, ask_runs, ask_tally, ask_workers
from flotilla.local.plan import Plan
from flotilla.local.supervisor import LOOK_SECONDS, Running, raised

STILL_SECONDS = 120.0  # beyond two leases and an outage: if nothing has moved for so long, nothing will
REST_SECONDS = 30.0  # beyond a lease, for which a message that came twice may be hidden


def hold(options: Options, plan: Plan, *, say: Callable[[str], None]) -> Report:
    """Holds the drill and judges it. Only for the main thread.

    Raises StackFault if its stack cannot start, StopAsked if it is told to stop; nothing is left running then.
    """
    began_at, injuries = time.time(), schedule(options)
    with prepared(options, plan, injuries) as ground:
        with raised(ground.plan, say=say) as running:
            done = Injuries(injuries, ground=ground, stack=running.stack, runs=options.runs)
            facts = Course(options, ground=ground, running=running, injuries=done, say=say).run()
        for disk in ground.disks.values():
            disk.close()
        left = leavings(ground.plan, workers=done.worker_names, gone=done.gone, engine=ground.engine)
    return Report(
        options=options,
        environment=ground.plan.environment,
        done=done.done,
        left_out=[*ground.left_out, *done.left_out],
        verdict=judge(replace(facts, orphans=left)),
        began_at=began_at,
        seconds=time.time() - began_at,
        cpu_seconds=_cpu_seconds(),
    )


class Course:
    """From the first run that is asked for to the last answer of a witness."""

    def __init__(
        self, options: Options, *, ground: Ground, running: Running, injuries: Injuries, say: Callable[[str], None]
    ) -> None:
        self._options = options
        self._ground = ground
        self._running = running
        self._injuries = injuries
        self._say = say

    def run(self) -> Facts:
        """Raises StopAsked if that comes first."""
        watch = Watch(self._running.connection, self._submit())
        engine = database.connect(self._running.stack.addresses.database_url, pool_size=1)
        try:
            with watch.watching():
                self._until_ended(watch)
                self._until_at_rest(engine)
            return self._question(watch, engine)
        finally:
            engine.dispose()

    def _submit(self) -> str:
        order = {"name": "oracle"}
        with Client.opened(self._running.connection) as client, open_task(self._ground.task) as archive:
            bundle = client.upload_bundle(archive.file, content_type=archive.content_type)
            job = client.create_job({"agent": order, "runs": self._options.runs}, bundle_id=bundle["id"])
        self._say(f"{self._options.runs} runs are asked for, in {job['id']}")
        return job["id"]

    def _until_ended(self, watch: Watch) -> None:
        """Until every run is terminal and every injury over, or nothing has moved for far too long."""
        patience = STILL_SECONDS + 2 * self._options.lease_seconds + self._options.faults.database_outage
        moved_at, seen = time.monotonic(), None
        while not watch.is_over:
            now = (len(self._ground.ledger.entries()), watch.counts)
            if now != seen:
                moved_at, seen = time.monotonic(), now
            if time.monotonic() - moved_at > patience:
                self._say(f"nothing has moved for {patience:.0f} s: {watch.counts}")
                break
            self._tend()
        self._injuries.give_up()

    def _until_at_rest(self, engine: Engine) -> None:
        while self._injuries.under_way:
            self._tend()
        self._say("the runs have ended; what is still on its way may come to rest")
        rest = Rest(engine, self._running.stack.addresses)
        scratches = [self._ground.plan.directory.worker_scratch(name) for name in self._injuries.present]
        until = time.monotonic() + self._options.lease_seconds + REST_SECONDS
        while not rest.reached(scratches) and time.monotonic() < until:
            self._tend()

    def _tend(self) -> None:
        self._running.stop.check()
        self._running.stack.tend()
        self._injuries.step()
        time.sleep(LOOK_SECONDS)

    def _question(self, watch: Watch, engine: Engine) -> Facts:
        self._say("the witnesses are questioned")
        running, job_id = self._running, watch.job_id
        layout = Layout(self._ground.plan.directory.shared)
        with Client.opened(running.connection) as client, engine.connect() as connection:
            watch.look(list(client.runs(job_id)))
            return Facts(
                asked_runs=self._options.runs,
                lease_seconds=self._options.lease_seconds,
                runs=ask_runs(connection, client, job_id=job_id, layout=layout),
                tally=ask_tally(connection, client, job_id=job_id),
                depths=ask_queues(running.stack.addresses),
                workers=ask_workers(connection),
                entries=self._ground.ledger.entries(),
                absences=tuple(self._injuries.absences),
                blackouts=tuple(self._injuries.blackouts),
                rewritten=tuple(watch.rewritten),
            )


def _cpu_seconds() -> float:
    """What this process used, and every process of the stack that was waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
