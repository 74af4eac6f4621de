"""A sandbox has an end to its processes and its memory, with control groups and without."""

import asyncio
from pathlib import Path

import pytest

from worker_agent.control_group import ControlGroup
from worker_agent.sandbox.errors import ProcessesExceeded

from .conftest import Starting

USUAL_SHARES = {"cpu.weight": 100, "cpu.shares": 1024}
CROWD = "for n in $(seq 60); do sleep 300 & done; wait"


@pytest.fixture
def without_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a host that allows no control groups."""
    monkeypatch.setattr(ControlGroup, "make", lambda *_, **__: None)


def test_a_crowd_without_control_groups_is_ended_by_name(started: Starting, without_groups: None) -> None:
    async def scenario() -> None:
        async with started(processes=40) as sandbox:
            with pytest.raises(ProcessesExceeded, match="more than it may"):
                await asyncio.wait_for(sandbox.exec(CROWD), timeout=30)

    asyncio.run(scenario())


def test_one_process_without_control_groups_has_no_memory_without_end(started: Starting, without_groups: None) -> None:
    async def scenario() -> None:
        async with started(memory_mb=64) as sandbox:
            refused = await sandbox.exec("head -c 300M /dev/zero | tail | wc -c")
            assert "memory exhausted" in (refused.stdout or "")

    asyncio.run(scenario())


def test_a_sandbox_has_a_tenth_of_the_usual_share_of_the_processors(started: Starting) -> None:
    async def scenario() -> dict[str, int]:
        async with started() as sandbox:
            folders = [group.folders["cpu"] for group in sandbox._running().groups if "cpu" in group.folders]
            files = [folder / name for folder in folders for name in USUAL_SHARES]
            return {file.name: int(file.read_text()) for file in files if file.exists()}

    if not (shares := asyncio.run(scenario())):
        pytest.skip("this host allows no control groups of processors")
    assert {name: USUAL_SHARES[name] // 10 for name in shares} == shares


def test_what_the_kernel_ends_for_memory_is_noted_and_logged(started: Starting, tmp_path: Path) -> None:
    notes = tmp_path / "notes.json"

    async def scenario() -> bool:
        async with started(memory_mb=64, notes=notes) as sandbox:
            limited = bool(sandbox._running().groups)
            await sandbox.exec("head -c 300M /dev/zero | tail > /dev/null; true")
            return limited

    if not asyncio.run(scenario()):
        pytest.skip("this host allows no control groups")
    assert '"memory_mb": 64' in notes.read_text()
