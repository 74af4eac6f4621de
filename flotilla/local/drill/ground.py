"""The ground of a drill: its directory, its task, and the witnesses and tools that are there before its stack is."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flotilla.local import metadata
from flotilla.local.drill import engine_ledger, ledger_server
from flotilla.local.drill.engine_objects import EngineObjects
from flotilla.local.drill.host import CannotInjure, SmallDisk, private_mounts
from flotilla.local.drill.ledger import Ledger
from flotilla.local.drill.options import Options
from flotilla.local.drill.schedule import Injury, Kind
from flotilla.local.drill.task import write_task
from flotilla.local.faults import StackFault
from flotilla.local.plan import Plan

ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a drill's stack will stand on. `left_out` are the injuries that cannot be had here, each with its reason."""

    plan: Plan
    ledger: Ledger
    metadata: metadata.Metadata
    engine: EngineObjects | None
    disks: Mapping[str, SmallDisk]
    task: Path
    left_out: Sequence[str]


@contextmanager
def place(directory: Path | None, *, keep: bool) -> Iterator[Path]:
    """The directory of a drill: one that is named stays, another goes unless it is to be kept. It must be empty.

    Raises StackFault.
    """
    if directory is not None:
        if directory.exists() and any(directory.iterdir()):
            raise StackFault(f"{directory} is not empty: a drill begins with nothing, name another with --data-dir")
        yield directory
        return
    made = Path(tempfile.mkdtemp(prefix="flotilla-drill-"))
    try:
        yield made
    finally:
        if not keep:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def prepared(options: Options, plan: Plan, injuries: Sequence[Injury]) -> Iterator[Ground]:
    """The ground for these injuries, for the length of a `with` block. Raises StackFault if trials can run nowhere."""
    plan.directory.prepare()
    chosen = asyncio.run(plan.choose_environment())
    plan = replace(plan, environment=chosen.name.value)
    disks, left_out = _disks(plan, injuries, docker=chosen.docker_host is not None)
    ledger, instances, task = Ledger(), metadata.Metadata(), plan.directory.root / "task"
    with ExitStack() as witnesses:
        if options.faults.spot:
            url = witnesses.enter_context(metadata.serving(instances))
            plan = replace(plan, variables_of=lambda name: {ENDPOINT_VARIABLE: f"{url}/{name}"})
        if chosen.docker_host is not None:
            mark = plan.worker_name(0).removeprefix("worker-0")
            witnesses.enter_context(engine_ledger.following(ledger, host=chosen.docker_host, mark=mark))
            write_task(task, seconds=options.trial_seconds, ledger=None)
        else:
            address = witnesses.enter_context(ledger_server.serving(ledger))
            write_task(task, seconds=options.trial_seconds, ledger=address)
        yield Ground(
            plan=plan,
            ledger=ledger,
            metadata=instances,
            engine=EngineObjects(chosen.docker_host) if chosen.docker_host else None,
            disks=disks,
            task=task,
            left_out=left_out,
        )


def _disks(plan: Plan, injuries: Sequence[Injury], *, docker: bool) -> tuple[dict[str, SmallDisk], list[str]]:
    """A disk of its own for every worker whose disk will be full, where that can be had; else why not."""
    names = [plan.worker_name(injury.seat or 0) for injury in injuries if injury.kind is Kind.FILL_DISK]
    if names and docker:
        return {}, ["full disk: an engine does not see a disk that is mounted for the drill alone"]
    try:
        if names:
            private_mounts()
        root = plan.directory.root
        return {name: SmallDisk(root, scratch=plan.directory.worker_scratch(name)) for name in names}, []
    except CannotInjure as fault:
        return {}, [str(fault)]
