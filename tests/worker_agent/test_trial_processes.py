"""The fork server: births, ends, scrubbed children, and that none of them outlives the supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from worker_agent.trial_processes import NurseryDied, Order, TrialProcess, TrialProcesses

ERRANDS = "tests.worker_agent.errands"
BOUND_SECONDS = 20


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def _order(place: Path, errand: str, **arguments: object) -> Order:
    return Order(
        id=errand,
        entry=f"{ERRANDS}:{errand}",
        arguments=arguments,
        environment={"ONLY": "this", "PATH": os.environ["PATH"]},
        log=place / "process.log",
    )


def _with_nursery(
    place: Path, work: Callable[[TrialProcesses], Awaitable[None]], *, modules: Sequence[str] = (ERRANDS,)
) -> None:
    async def run() -> None:
        environment = {"PATH": os.environ["PATH"], "SECRET_OF_THE_WORKER": "x", "PYTHONPATH": str(Path.cwd())}
        processes = await TrialProcesses.open(scratch=place, modules=modules, environment=environment)
        watch = asyncio.create_task(processes.watch())
        async with asyncio.timeout(BOUND_SECONDS):
            await work(processes)
            await processes.close()
            await watch

    asyncio.run(run())


async def _pid_of(process: TrialProcess, file: Path) -> int:
    await asyncio.to_thread(_until, lambda: file.exists() and file.read_text() == str(process.pid))
    return process.pid


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_reports_its_exit_code(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses) -> None:
        process = await processes.start(_order(tmp_path, "succeed"))
        assert await process.ended == 7

    _with_nursery(tmp_path, work)


def test_a_child_that_raises_leaves_its_traceback_in_its_log(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses) -> None:
        process = await processes.start(_order(tmp_path, "fail"))
        assert await process.ended == 70

    _with_nursery(tmp_path, work)
    assert "as it was told to" in (tmp_path / "process.log").read_text()


def test_a_child_sees_its_own_variables_and_no_other_and_goes_first_when_memory_runs_out(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses) -> None:
        process = await processes.start(_order(tmp_path, "write_environment", target=str(tmp_path / "environment")))
        assert await process.ended == 4  # its three standard files, and the directory it counts them in

    _with_nursery(tmp_path, work)
    lines = (tmp_path / "environment").read_text().splitlines()
    assert sorted(line.partition("=")[0] for line in lines) == ["(oom)", "ONLY", "PATH"]
    assert "(oom)=500" in lines


def test_a_host_without_room_for_a_process_ends_one_trial_and_not_the_others(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses) -> None:
        with pytest.raises(OSError, match="no process could be made"):
            await processes.start(_order(tmp_path, "fail"))
        process = await processes.start(_order(tmp_path, "succeed"))
        assert await process.ended == 7

    _with_nursery(tmp_path, work, modules=[ERRANDS, "tests.worker_agent.no_room"])


def test_a_child_that_does_not_come_to_its_trial_ends(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses) -> None:
        process = await processes.start(_order(tmp_path / "nowhere", "succeed"))  # where no log can be opened
        assert await process.ended == 71

    _with_nursery(tmp_path, work)


def test_a_killed_child_is_reported_with_its_signal(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses) -> None:
        file = tmp_path / "pid"
        process = await processes.start(_order(tmp_path, "wait_for_the_end", target=str(file)))
        await _pid_of(process, file)
        process.kill()
        assert await process.ended == -signal.SIGKILL

    _with_nursery(tmp_path, work)


def test_closing_ends_every_child(tmp_path: Path) -> None:
    pids = []

    async def work(processes: TrialProcesses) -> None:
        file = tmp_path / "pid"
        process = await processes.start(_order(tmp_path, "wait_for_the_end", target=str(file)))
        pids.append(await _pid_of(process, file))

    _with_nursery(tmp_path, work)
    assert not _lives(pids[0])


def test_a_nursery_that_dies_is_noticed_and_its_children_die_with_it(tmp_path: Path) -> None:
    async def run() -> int:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
        processes = await TrialProcesses.open(scratch=tmp_path, modules=[ERRANDS], environment=environment)
        watch = asyncio.create_task(processes.watch())
        process = await processes.start(_order(tmp_path, "wait_for_the_end", target=str(tmp_path / "pid")))
        await _pid_of(process, tmp_path / "pid")
        os.kill(processes.pid, signal.SIGKILL)
        with pytest.raises(NurseryDied):
            await process.ended
        with pytest.raises(NurseryDied):
            await watch
        await processes.close()
        return process.pid

    pid = asyncio.run(run())
    _until(lambda: not _lives(pid))


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from worker_agent.trial_processes import Order, TrialProcesses

async def main():
    place = Path(sys.argv[1])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    modules = ["tests.worker_agent.errands"]
    processes = await TrialProcesses.open(scratch=place, modules=modules, environment=environment)
    asyncio.create_task(processes.watch())
    await processes.start(Order(id="1", entry="tests.worker_agent.errands:wait_for_the_end",
        arguments={"target": str(place / "pid")}, environment=environment, log=place / "log"))
    print(processes.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_killed_supervisor_leaves_neither_nursery_nor_trial(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        nursery = int(supervisor.stdout.readline())
        _until(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        child = int((tmp_path / "pid").read_text())
        assert _lives(nursery)
        assert _lives(child)
        supervisor.kill()
    _until(lambda: not _lives(nursery))
    _until(lambda: not _lives(child))
