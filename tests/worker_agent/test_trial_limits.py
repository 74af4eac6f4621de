"""A trial's process has limits of its own: what a task left for it to read cannot make it take its host."""

import asyncio
import errno
import os
import tempfile
from pathlib import Path

import pytest

from worker_agent.trial_processes import Order, TrialProcesses

BOUND_SECONDS = 30


def grow(told: str) -> int:
    """In a trial's process: asks for what no trial needs, and tells how that went."""
    words = []
    try:
        bytearray(3 << 30)
    except MemoryError:
        words.append("MemoryError")
    with tempfile.TemporaryFile() as file:
        try:
            file.truncate(5 << 30)
        except OSError as fault:
            words.append(errno.errorcode[fault.errno or 0])
    Path(told).write_text(" ".join(words))
    return 0


def tell_its_place(told: str) -> int:
    """In a trial's process: how nice it is, and its session where this kernel gives each a share."""
    session = Path("/proc/self/autogroup")
    Path(told).write_text(f"{os.getpriority(os.PRIO_PROCESS, 0)} {session.read_text() if session.exists() else ''}")
    return 0


def told_by(errand: str, place: Path, *, niceness: int = 0) -> str:
    """What a trial's process tells that does this errand and nothing else."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    order = Order(
        id=errand,
        entry=f"{__name__}:{errand}",
        arguments={"told": str(place / "told")},
        environment={**variables, "TMPDIR": str(place)},
        log=place / "process.log",
        niceness=niceness,
    )

    async def scenario() -> int:
        processes = await TrialProcesses.open(scratch=place, modules=(), environment=variables)
        watch = asyncio.create_task(processes.watch())
        async with asyncio.timeout(BOUND_SECONDS):
            code = await (await processes.start(order)).ended
            await processes.close()
            await watch
        return code

    assert asyncio.run(scenario()) == 0, (place / "process.log").read_text()
    return (place / "told").read_text()


def test_neither_its_memory_nor_a_file_of_it_grows_without_end(tmp_path: Path) -> None:
    assert told_by("grow", tmp_path) == "MemoryError EFBIG"


@pytest.mark.parametrize("niceness", [0, 10])
def test_a_trial_that_is_to_give_way_does_so_as_a_process_and_as_a_session(tmp_path: Path, niceness: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    nice, *session = told_by("tell_its_place", tmp_path, niceness=niceness).split()
    assert int(nice) == min(own + niceness, 19)
    if session and os.geteuid() == 0:
        assert session[1:] == ["nice", str(niceness)]
