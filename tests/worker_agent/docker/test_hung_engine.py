"""An engine that accepts calls and never answers ends a trial, wherever that stands, and says what happened."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from harbor import Trial, TrialEvent

from flotilla.causes import Cause, cause_of
from tests.worker_agent.docker.tasks import PREBUILT, Runner, TaskSpec, fault, reward
from tests.worker_agent.engine_proxy import EngineProxy, Injury, Kind, proxied
from worker_agent.docker import access, commands, images
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineUnavailableError
from worker_agent.docker.governor import Governor
from worker_agent.docker.images import Images
from worker_agent.docker.leftovers import remove_objects

# Harbor warns of its own use of what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

BOUND_SECONDS = 60.0
SLEEPER = TaskSpec(settings=PREBUILT.settings, environment={}, solve="sleep 300")


@pytest.fixture
def proxy(docker_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProxy]:
    """The engine of this test's trials, which wait for it for two seconds instead of a minute."""
    monkeypatch.setattr(access, "Engine", partial(Engine, call_seconds=2.0))
    monkeypatch.setattr(commands, "LOOK_SECONDS", 0.5)
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.address)
        yield proxy


async def ended(trial: Trial) -> tuple[str | None, float | None]:
    """The fault and the reward of a trial that must end by itself."""
    async with asyncio.timeout(BOUND_SECONDS):
        result = await trial.run()
    return fault(result), reward(result)


def hang_at(trial: Trial, event: TrialEvent, proxy: EngineProxy, *, calls: str) -> None:
    async def hang(_: object) -> None:
        proxy.injuries.append(Injury(calls=calls, kind=Kind.HUNG))

    trial.add_hook(event, hang)


@pytest.mark.parametrize(
    "calls", [r"GET \S*/images/", r"POST \S*/containers/create", r"POST \S*/containers/\S+/start ", r"POST \S*/exec "]
)
def test_on_the_way_up(proxy: EngineProxy, runner: Runner, docker: Engine, labels: dict[str, str], calls: str) -> None:
    proxy.injuries.append(Injury(calls=calls, kind=Kind.HUNG))

    async def scenario() -> tuple[str | None, float | None]:
        return await ended(await runner.trial(PREBUILT))

    assert asyncio.run(scenario()) == ("EngineUnavailableError", None)
    assert cause_of("EngineUnavailableError", "") is Cause.SANDBOX
    asyncio.run(remove_objects(docker, labels))  # a busy engine may be too slow for two seconds


def test_while_a_silent_command_runs(
    proxy: EngineProxy, runner: Runner, docker: Engine, labels: dict[str, str]
) -> None:
    async def scenario() -> tuple[str | None, float | None]:
        trial = await runner.trial(SLEEPER)
        hang_at(trial, TrialEvent.AGENT_START, proxy, calls=r"GET \S*/exec/")
        return await ended(trial)

    assert asyncio.run(scenario()) == ("EngineUnavailableError", None)
    asyncio.run(remove_objects(docker, labels))


def test_a_removal_that_hangs_leaves_the_reward_and_what_stays_to_the_janitor(
    proxy: EngineProxy, runner: Runner, docker: Engine, labels: dict[str, str]
) -> None:
    proxy.injuries.append(Injury(calls=r"DELETE ", kind=Kind.HUNG))

    async def scenario() -> tuple[str | None, float | None]:
        return await ended(await runner.trial(PREBUILT))

    assert asyncio.run(scenario()) == (None, 1.0)
    assert len(asyncio.run(remove_objects(docker, labels))) == 2, "the container and the network"


def test_a_pull_that_says_nothing_is_given_up(
    proxy: EngineProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "QUIET_SECONDS", 0.5)
    proxy.injuries.append(Injury(calls=r"POST \S*/images/create", kind=Kind.HUNG))
    wanted = Images(engine=Engine(proxy.address), governor=Governor(directory=tmp_path / "locks"), say=print)
    with pytest.raises(EngineUnavailableError, match=r"said nothing for 0\.5 s"):
        asyncio.run(wanted.pulled("nowhere.invalid/nothing:1"))
