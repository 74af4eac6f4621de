"""What images are ours, when they were last used, and that nobody takes away what somebody uses."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from worker_agent.docker.stock import Stock, familiar

HOLDER = """
import asyncio, sys
from pathlib import Path
from worker_agent.docker.stock import Stock

async def hold():
    await Stock(directory=Path(sys.argv[1])).hold(sys.argv[2])
    print("held", flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


def used(directory: Path, name: str, *, ours: bool = True) -> None:
    """One use that has ended."""
    stock = Stock(directory=directory)
    asyncio.run(stock.hold(name))
    if ours:
        stock.enter(name)
    stock.release()


def names(directory: Path) -> list[str]:
    return [image.name for image in Stock(directory=directory).listed()]


def test_the_last_use_counts_whoever_it_was(tmp_path: Path) -> None:
    for name in ("one:1", "two:1", "three:1", "one:1"):
        used(tmp_path, name)
    assert names(tmp_path) == ["two:1", "three:1", "one:1"]


def test_what_was_there_before_is_not_ours(tmp_path: Path) -> None:
    used(tmp_path, "theirs:1", ours=False)
    assert names(tmp_path) == []


def test_what_is_gone_is_not_ours_any_more_and_what_stayed_is(tmp_path: Path) -> None:
    for name in ("gone:1", "stayed:1"):
        used(tmp_path, name)
    with Stock(directory=tmp_path).discarding("gone:1") as may_go:
        assert may_go
    with pytest.raises(OSError, match="engine"), Stock(directory=tmp_path).discarding("stayed:1"):
        raise OSError("the engine refused")
    assert names(tmp_path) == ["stayed:1"]


def test_nobody_takes_away_what_another_process_uses_until_that_has_ended(tmp_path: Path) -> None:
    used(tmp_path, "used:1")
    command = [sys.executable, "-c", HOLDER, str(tmp_path), "used:1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with Stock(directory=tmp_path).discarding("used:1") as may_go:
            assert not may_go
        holder.kill()
    with Stock(directory=tmp_path).discarding("used:1") as may_go:
        assert may_go


def test_two_may_use_one_and_who_comes_while_it_goes_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        first, second = Stock(directory=tmp_path), Stock(directory=tmp_path)
        await asyncio.wait_for(asyncio.gather(first.hold("x:1"), second.hold("x:1")), 10)
        first.release()
        second.release()
        with Stock(directory=tmp_path).discarding("x:1"):
            waiting = asyncio.create_task(first.hold("x:1"))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
        await asyncio.wait_for(waiting, 10)
        first.release()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("debian", "debian:latest"),
        ("docker.io/library/debian:12", "debian:12"),
        ("docker.io/team/tool", "team/tool:latest"),
        ("host:5000/tool", "host:5000/tool:latest"),
        ("debian:12@sha256:abc", "debian@sha256:abc"),
    ],
)
def test_names_are_those_that_the_engine_lists(name: str, listed: str) -> None:
    assert familiar(name) == listed
