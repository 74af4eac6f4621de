"""A nursery that has forked its share of trials is replaced: nothing that runs is lost, and nothing stays behind."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from worker_agent.janitor import clear_place
from worker_agent.trial_processes import NurseryDied, Order, TrialProcess, TrialProcesses

ERRANDS = "tests.worker_agent.errands"
BOUND_SECONDS = 20
_NUMBERS = itertools.count()


def _order(scratch: Path, errand: str, *, name: str, **arguments: object) -> Order:
    home = scratch / "trials" / name
    home.mkdir(parents=True, exist_ok=True)
    variables = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return Order(id=name, entry=f"{ERRANDS}:{errand}", arguments=arguments, environment=variables, log=home / "log")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
        await asyncio.sleep(0.02)


async def _waiting(processes: TrialProcesses, scratch: Path, *, name: str) -> TrialProcess:
    """A child that lives until it is told to end."""
    file = scratch / f"{name}.pid"
    process = await processes.start(_order(scratch, "wait_for_the_end", name=name, target=str(file)))
    await _until(lambda: file.exists() and file.read_text() == str(process.pid))
    return process


async def _short_ones_until(happened: Callable[[], bool], processes: TrialProcesses, scratch: Path) -> None:
    """Lets short trials come and go until it has."""
    while not happened():
        process = await processes.start(_order(scratch, "succeed", name=f"short-{next(_NUMBERS)}"))
        assert await process.ended == 7


async def _succeeded(processes: TrialProcesses, scratch: Path) -> int:
    """Gives the nursery more than its share, until another takes orders; the former's pid."""
    former = processes.pid
    await _short_ones_until(lambda: processes.pid != former, processes, scratch)
    return former


def _run(
    scratch: Path,
    work: Callable[[TrialProcesses, asyncio.Task[None]], Awaitable[None]],
    *,
    modules: Sequence[str] = (ERRANDS,),
    variables: Mapping[str, str] | None = None,
) -> None:
    async def run() -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **(variables or {})}
        processes = await TrialProcesses.open(scratch=scratch, modules=modules, environment=environment, most_trials=1)
        watch = asyncio.create_task(processes.watch())
        async with asyncio.timeout(BOUND_SECONDS):
            await work(processes, watch)
            await processes.close()
            await asyncio.gather(watch, return_exceptions=True)

    asyncio.run(run())


def test_a_replaced_nursery_ends_with_its_last_trial_and_leaves_no_file_open(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses, watch: asyncio.Task[None]) -> None:
        open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - one look
        old = await _waiting(processes, tmp_path, name="old")
        former = await _succeeded(processes, tmp_path)
        new = await _waiting(processes, tmp_path, name="new")
        assert _lives(former)
        assert _lives(old.pid)
        old.terminate()
        assert await old.ended == -signal.SIGTERM
        await _until(lambda: not _lives(former))
        await _until(lambda: len(os.listdir("/proc/self/fd")) == open_files)  # noqa: PTH208
        assert _lives(new.pid)
        assert not watch.done()

    _run(tmp_path, work)


def test_closing_ends_what_a_replaced_nursery_still_has(tmp_path: Path) -> None:
    pids: list[int] = []

    async def work(processes: TrialProcesses, _: asyncio.Task[None]) -> None:
        old = await _waiting(processes, tmp_path, name="old")
        pids.extend([old.pid, await _succeeded(processes, tmp_path), processes.pid])

    _run(tmp_path, work)
    assert [pid for pid in pids if _lives(pid)] == []


def test_a_replaced_nursery_that_dies_under_a_trial_is_noticed(tmp_path: Path) -> None:
    async def work(processes: TrialProcesses, watch: asyncio.Task[None]) -> None:
        old = await _waiting(processes, tmp_path, name="old")
        os.kill(await _succeeded(processes, tmp_path), signal.SIGKILL)
        with pytest.raises(NurseryDied):
            await old.ended
        with pytest.raises(NurseryDied):
            await watch

    _run(tmp_path, work)


def test_where_no_successor_can_be_started_the_nursery_goes_on_and_tries_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(processes: TrialProcesses, watch: asyncio.Task[None]) -> None:
        old, first = await _waiting(processes, tmp_path, name="old"), processes.pid
        await _short_ones_until(lambda: caplog.text.count("goes on beyond") == 2, processes, tmp_path)
        assert processes.pid == first
        assert _lives(old.pid)
        (tmp_path / "started").unlink()
        await _succeeded(processes, tmp_path)
        assert not watch.done()

    modules = [ERRANDS, "tests.worker_agent.only_once"]
    _run(tmp_path, work, modules=modules, variables={"ONLY_ONCE_IN": str(tmp_path)})


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from tests.worker_agent import test_nursery_succession as story

async def work(processes, watch):
    scratch = Path(sys.argv[1])
    old = await story._waiting(processes, scratch, name="old")
    former = await story._succeeded(processes, scratch)
    new = await story._waiting(processes, scratch, name="new")
    print(former, processes.pid, old.pid, new.pid, flush=True)
    await asyncio.Event().wait()

story._run(Path(sys.argv[1]), work)
"""


def _supervisor(scratch: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(scratch)], stdout=subprocess.PIPE, text=True)


def _pids(supervisor: subprocess.Popen[str]) -> list[int]:
    assert supervisor.stdout is not None
    pids = [int(word) for word in supervisor.stdout.readline().split()]
    assert len(pids) == 4
    assert all(map(_lives, pids))
    return pids


def test_a_killed_supervisor_leaves_neither_of_its_nurseries_nor_their_trials(tmp_path: Path) -> None:
    with _supervisor(tmp_path) as supervisor:
        pids = _pids(supervisor)
        supervisor.kill()
    deadline = time.monotonic() + BOUND_SECONDS
    while any(map(_lives, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_successor_of_the_worker_ends_all_nurseries_of_the_former_and_their_trials(tmp_path: Path) -> None:
    with _supervisor(tmp_path) as supervisor:
        pids = _pids(supervisor)
        os.kill(supervisor.pid, signal.SIGSTOP)  # it lives, so nothing ends by itself
        asyncio.run(clear_place(tmp_path, worker_name="succession", docker_host=None))
        assert not any(map(_lives, pids))
        supervisor.kill()
