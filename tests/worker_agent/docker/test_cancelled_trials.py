"""A trial that is cancelled, wherever it stands, leaves no container behind."""

import asyncio

import pytest
from harbor import TrialEvent

from tests.worker_agent.docker.tasks import SIDECAR, Runner, TaskSpec, labelled, unique
from worker_agent.docker.engine import Engine

# Harbor warns of its own use of what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")


@pytest.mark.parametrize("environment", [{}, {"docker-compose.yaml": SIDECAR}])
def test_one_cancel_leaves_nothing_behind(
    runner: Runner, docker: Engine, labels: dict[str, str], environment: dict[str, str]
) -> None:
    async def scenario() -> list[object]:
        trial = await runner.trial(TaskSpec(solve="sleep 300", environment={**unique(""), **environment}))
        at_work = asyncio.Event()

        async def begun(_: object) -> None:
            at_work.set()

        trial.add_hook(TrialEvent.AGENT_START, begun)
        work = asyncio.create_task(trial.run())
        await asyncio.wait_for(at_work.wait(), 60)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return await labelled(docker, labels)

    assert asyncio.run(scenario()) == []


@pytest.mark.parametrize("environment", [{}, {"docker-compose.yaml": SIDECAR}])
@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2])
def test_a_cancel_on_the_way_up_leaves_nothing_behind(
    runner: Runner, docker: Engine, labels: dict[str, str], environment: dict[str, str], seconds: float
) -> None:
    async def scenario() -> None:
        trial = await runner.trial(TaskSpec(environment={"Dockerfile": "FROM debian:bookworm-slim\n", **environment}))
        work = asyncio.create_task(trial.run())
        await asyncio.wait([work], timeout=seconds)
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(scenario())
    assert asyncio.run(labelled(docker, labels)) == []


@pytest.mark.parametrize("environment", [{}, {"docker-compose.yaml": SIDECAR}])
def test_a_loop_that_closes_during_the_stop_leaves_nothing_behind(
    runner: Runner, docker: Engine, labels: dict[str, str], environment: dict[str, str]
) -> None:
    async def scenario() -> None:
        spec = TaskSpec(environment={"Dockerfile": "FROM debian:bookworm-slim\n", **environment})
        under_test = (await runner.trial(spec)).agent_environment
        await under_test.start(force_build=False)
        stop = asyncio.create_task(under_test.stop(delete=True))
        await asyncio.wait([stop], timeout=0.01)

    asyncio.run(scenario())
    assert asyncio.run(labelled(docker, labels)) == []
