"""A host says in one sentence whether it can run sandboxes."""

import asyncio
from pathlib import Path

import pytest

from worker_agent.sandbox.availability import refused_on_aws, why_unavailable
from worker_agent.sandbox.environment import SandboxEnvironment
from worker_agent.sandbox.errors import SandboxUnsupportedError
from worker_agent.sandbox.layers import Layers


def test_this_host_can_and_the_probe_leaves_nothing(tmp_path: Path) -> None:
    assert asyncio.run(why_unavailable(tmp_path / "scratch")) is None
    assert list((tmp_path / "scratch").iterdir()) == []


def test_harbor_may_ask_from_within_its_event_loop() -> None:
    async def scenario() -> None:
        SandboxEnvironment.preflight()

    asyncio.run(scenario())


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fault = asyncio.run(why_unavailable(tmp_path / "scratch"))
    assert fault is not None and "bash, tar, mkdir is missing: install" in fault


def test_a_file_system_that_carries_no_overlay_is_named(tmp_path: Path) -> None:
    fault = asyncio.run(why_unavailable(Path("/proc/self/flotilla")))
    assert fault is not None and "choose another" in fault


def test_scratch_that_tasks_would_see_is_refused() -> None:
    with pytest.raises(SandboxUnsupportedError, match="lies in /usr"):
        Layers(Path("/usr/local/flotilla"), hidden=[])


def test_a_worker_on_aws_is_refused_and_one_with_a_queue_of_our_own_is_not() -> None:
    assert "Docker" in (refused_on_aws({"AWS_REGION": "eu-central-1"}) or "")
    assert refused_on_aws({"AWS_ENDPOINT_URL": "http://127.0.0.1:9324"}) is None
