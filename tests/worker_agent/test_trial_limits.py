"""A trial's process has limits of its own: what a task left for it to read cannot make it take its host."""

import asyncio
import errno
import os
import tempfile
from pathlib import Path

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


def test_neither_its_memory_nor_a_file_of_it_grows_without_end(tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    order = Order(
        id="grow",
        entry="tests.worker_agent.test_trial_limits:grow",
        arguments={"told": str(tmp_path / "told")},
        environment={**variables, "TMPDIR": str(tmp_path)},
        log=tmp_path / "process.log",
    )

    async def scenario() -> int:
        processes = await TrialProcesses.open(scratch=tmp_path, modules=(), environment=variables)
        watch = asyncio.create_task(processes.watch())
        async with asyncio.timeout(BOUND_SECONDS):
            code = await (await processes.start(order)).ended
            await processes.close()
            await watch
        return code

    assert asyncio.run(scenario()) == 0, (tmp_path / "process.log").read_text()
    assert (tmp_path / "told").read_text() == "MemoryError EFBIG"
