"""What a killed trial leaves is found by its labels and removed; nothing else is."""

import asyncio
import uuid

import pytest

from tests.worker_agent.docker.tasks import IMAGE
from worker_agent.docker import containers
from worker_agent.docker.engine import Engine
from worker_agent.docker.leftovers import remove_container, remove_labelled


def test_containers_networks_and_volumes_of_a_label_are_removed(docker: Engine, container: str) -> None:
    labels = {"flotilla.worker": uuid.uuid4().hex, "flotilla.run": "7"}
    name = f"left-{uuid.uuid4().hex[:12]}"

    async def leave() -> list[str]:
        await docker.json("POST", "/networks/create", body={"Name": name, "Labels": labels})
        await docker.json("POST", "/volumes/create", body={"Name": name, "Labels": labels})
        plan = containers.ContainerPlan(
            name=name, image=IMAGE, env={}, labels=labels, network=name, pids_limit=100, log_max_size="1m", init=True,
            mounts=[{"type": "volume", "source": name, "target": "/data"}],
        )  # fmt: skip
        await containers.start(docker, await containers.create(docker, plan))
        return await remove_labelled(docker, {"flotilla.worker": labels["flotilla.worker"]})

    assert asyncio.run(leave()) == [f"container {name}", f"network {name}", f"volume {name}"]
    assert asyncio.run(remove_labelled(docker, labels)) == []
    assert asyncio.run(docker.json("GET", f"/containers/{container}/json"))["State"]["Running"]


def test_all_labels_must_fit(docker: Engine, container: str, labels: dict[str, str]) -> None:
    assert asyncio.run(remove_labelled(docker, {**labels, "flotilla.run": "another"})) == []


def test_without_a_label_nothing_is_removed(docker: Engine) -> None:
    with pytest.raises(ValueError, match="label"):
        asyncio.run(remove_labelled(docker, {}))


def test_a_container_that_is_gone_is_fine(docker: Engine) -> None:
    asyncio.run(remove_container(docker, f"gone-{uuid.uuid4().hex}"))


def test_two_who_remove_the_same_do_not_quarrel(docker: Engine, labels: dict[str, str], container: str) -> None:
    async def both() -> None:
        await asyncio.gather(*(remove_labelled(docker, labels) for _ in range(3)))

    asyncio.run(both())
    assert asyncio.run(remove_labelled(docker, labels)) == []
