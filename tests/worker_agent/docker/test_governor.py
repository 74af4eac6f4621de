"""The host's limits hold over processes, and end with whoever held them."""

import asyncio
import subprocess
import sys
from pathlib import Path

from worker_agent.docker.governor import Governor

HOLDER = """
import asyncio, sys
from pathlib import Path
from worker_agent.docker.governor import Governor

async def hold():
    async with Governor(directory=Path(sys.argv[1]), builds=1).building():
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


def test_no_more_than_the_limit_go_at_once(tmp_path: Path) -> None:
    inside, most = 0, 0

    async def one(governor: Governor) -> None:
        nonlocal inside, most
        async with governor.starting():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    async def all_of_them() -> None:
        governor = Governor(directory=tmp_path / "locks", starts=3)
        await asyncio.gather(*(one(governor) for _ in range(12)))

    asyncio.run(all_of_them())
    assert most == 3


def test_a_process_that_is_killed_gives_its_place_back(tmp_path: Path) -> None:
    async def next_in_line(holder: "subprocess.Popen[bytes]") -> bool:
        waiting = asyncio.create_task(_entered(Governor(directory=tmp_path, builds=1)))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        holder.kill()
        return await asyncio.wait_for(waiting, 10)

    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert asyncio.run(next_in_line(holder))


def test_who_stops_waiting_takes_no_place(tmp_path: Path) -> None:
    async def scenario() -> bool:
        governor = Governor(directory=tmp_path, builds=1)
        async with governor.building():
            waiting = asyncio.create_task(_entered(governor))
            await asyncio.wait([waiting], timeout=0.1)
            waiting.cancel()
            await asyncio.wait([waiting])
        return await asyncio.wait_for(_entered(governor), 10)

    assert asyncio.run(scenario())


def test_different_things_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        governor = Governor(directory=tmp_path)
        async with governor.alone("one"), governor.alone("another"), governor.pulling(), governor.building():
            return

    asyncio.run(asyncio.wait_for(scenario(), 10))


async def _entered(governor: Governor) -> bool:
    async with governor.building():
        return True
