"""What a nursery goes through before its first order: a whole trial, after which the real ones import nothing."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from worker_agent.environments import DOCKER_CLASS, SANDBOX_CLASS, Chosen
from worker_agent.rehearsal import play
from worker_agent.settings import Wanted
from worker_agent.trial import PRELOADED, REHEARSAL
from worker_agent.trial_processes import Order, TrialProcesses

ERRANDS = "tests.worker_agent.errands"
HELLO = Path("examples/tasks/hello").resolve()


def _words(place: Path, environment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "hello",
        "task": str(HELLO),
        "trials": str(place / "trials"),
        "outcome": str(place / "outcome.json"),
        "agent_name": "oracle",
        "agent_model": None,
        "agent_kwargs": {},
        "secrets": (),
        "environment": dict(environment),
        "build_patience": 1.0,
        "default_agent_seconds": 60.0,
        "override_agent_seconds": None,
    }


async def _late_imports(place: Path, chosen: Chosen, environment: Mapping[str, Any]) -> list[str]:
    """Of one real trial in a process of a nursery like a worker's."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    modules = [*PRELOADED, *chosen.modules]
    processes = await TrialProcesses.open(scratch=place, modules=modules, environment=variables, rehearsal=REHEARSAL)
    target = place / "imports"
    order = Order(
        id="hello",
        entry=f"{ERRANDS}:list_late_imports",
        arguments={"target": str(target), "order": _words(place, environment)},
        environment={**variables, "HOME": str(place), "TMPDIR": str(place)},
        log=place / "log",
    )
    try:
        async with asyncio.timeout(60):
            assert await (await processes.start(order)).ended == 0, (place / "log").read_text()
    finally:
        await processes.close()
    result = json.loads((place / "trials" / "hello" / "result.json").read_text())
    assert result["verifier_result"]["rewards"] == {"reward": 1.0}
    return target.read_text().splitlines()


@pytest.mark.filterwarnings("ignore:Task.checksum will be")  # which Harbor itself asks for
def test_the_rehearsal_is_a_trial_from_its_order_to_its_reward(tmp_path: Path) -> None:
    result = json.loads((play(tmp_path) / "result.json").read_text())
    assert result["exception_info"] is None
    assert result["verifier_result"]["rewards"] == {"reward": 1.0}


def test_a_trial_in_the_sandbox_imports_nothing_for_itself(tmp_path: Path) -> None:
    chosen = Chosen(name=Wanted.SANDBOX, reason="it is tested")
    environment = {"import_path": SANDBOX_CLASS, "kwargs": {"scratch": str(tmp_path / "sandbox")}}
    assert asyncio.run(_late_imports(tmp_path, chosen, environment)) == []


def test_a_trial_in_docker_imports_nothing_for_itself(tmp_path: Path, docker_engine: str) -> None:
    chosen = Chosen(name=Wanted.DOCKER, reason="it is tested", docker_host=docker_engine)
    kwargs = {"docker_host": docker_engine, "lock_dir": str(tmp_path / "governor"), "network": "bridge"}
    assert asyncio.run(_late_imports(tmp_path, chosen, {"import_path": DOCKER_CLASS, "kwargs": kwargs})) == []


def test_a_nursery_whose_rehearsal_fails_serves_all_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def run() -> int:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
        processes = await TrialProcesses.open(
            scratch=tmp_path, modules=[ERRANDS], environment=variables, rehearsal=f"{ERRANDS}:fail"
        )
        order = Order(id="1", entry=f"{ERRANDS}:succeed", arguments={}, environment=variables, log=tmp_path / "log")
        code = await (await processes.start(order)).ended
        await processes.close()
        return code

    assert asyncio.run(run()) == 7
    assert "Traceback" in capfd.readouterr().err


def test_nothing_of_the_rehearsal_is_left(tmp_path: Path) -> None:
    async def run() -> None:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
        processes = await TrialProcesses.open(
            scratch=tmp_path, modules=PRELOADED, environment=variables, rehearsal=REHEARSAL
        )
        await processes.close()

    asyncio.run(run())
    assert list((tmp_path / "trials").iterdir()) == []
