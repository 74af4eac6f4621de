"""Images of ours are kept under their budget on a real engine; what is not ours, or in use, stays."""

import asyncio
import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.worker_agent.docker.tasks import IMAGE, Runner, TaskSpec, reward, unique
from worker_agent.docker import containers
from worker_agent.docker.engine import Body, Engine, named
from worker_agent.docker.governor import Governor
from worker_agent.docker.image_budget import ImageBudget
from worker_agent.docker.images import Images, Say
from worker_agent.docker.leftovers import delete, remove_container

# Harbor warns of its own use of what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Images of one mebibyte each, which nobody but this test knows of."""

    engine: Engine
    governor: Governor
    mark: str

    def name(self, word: str) -> str:
        return f"flotilla-test-{self.mark}:{word}"

    async def make(self, name: str) -> int:
        """What a build would do, without a builder: an image of one layer of its own."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo("content")
            member.size = MIB
            tar.addfile(member, io.BytesIO(os.urandom(MIB)))
        body = Body(kind="application/x-tar", size=archive.tell(), source=archive.getvalue())
        repository, _, tag = name.partition(":")
        query = {"fromSrc": "-", "repo": repository, "tag": tag}
        async with self.engine.opened("POST", "/images/create", query=query, body=body) as answer:
            await answer.reader.read_all()
        return 0

    async def use(self, word: str, *, release: bool = True) -> Images:
        """The image is wanted, and made if it is not there."""
        name = self.name(word)

        async def build(say: Say) -> int:
            return await self.make(name)

        images = Images(engine=self.engine, governor=self.governor, say=lambda _: None)
        await images.built([name], build=build, seconds=60)
        if release:
            images.release()
        return images

    async def keep(self, mebibytes: float) -> list[str]:
        """One round of clearing away; the words of what went."""
        most = mebibytes * MIB
        budget = ImageBudget(
            engine=self.engine, governor=self.governor, stock=self.governor.stock(), most_bytes=most, cache_share=1000
        )
        return [name.rpartition(":")[2] for name in await budget.keep()]


@pytest.fixture
def shelf(docker: Engine, tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(engine=docker, governor=Governor(directory=tmp_path / "locks"), mark=uuid.uuid4().hex[:12])
    yield shelf

    async def clear() -> None:
        query = {"filters": json.dumps({"reference": [shelf.name("*")]})}
        for image in await docker.json("GET", "/images/json", query=query):
            await delete(docker, f"/images/{named(image['Id'])}", force=1)

    asyncio.run(clear())


def test_the_least_recently_used_go_and_one_that_is_wanted_again_is_made_again(shelf: Shelf) -> None:
    async def scenario() -> None:
        for word in ("one", "two", "three", "one"):
            await shelf.use(word)
        assert await shelf.keep(3.5) == []
        assert await shelf.keep(1.5) == ["two", "three"]
        await shelf.use("two")
        assert await shelf.keep(1.5) == ["one"]

    asyncio.run(scenario())


def test_what_is_used_or_has_a_container_or_is_not_ours_stays(shelf: Shelf, labels: dict[str, str]) -> None:
    async def scenario() -> None:
        users = [await shelf.use("held", release=False)]
        await shelf.use("contained")
        await shelf.use("idle")
        await shelf.make(shelf.name("theirs"))
        await Images(engine=shelf.engine, governor=shelf.governor, say=print).pulled(shelf.name("theirs"))
        plan = containers.ContainerPlan(
            name=f"budget-{shelf.mark}", image=shelf.name("contained"), env={}, labels=labels, network="none",
            pids_limit=100, log_max_size="1m", init=False,
        )  # fmt: skip
        await containers.create(shelf.engine, plan)
        assert await shelf.keep(0) == ["idle"]
        await remove_container(shelf.engine, plan.name)
        for user in users:
            user.release()
        assert sorted(await shelf.keep(0)) == ["contained", "held"]
        assert await users[0].find(shelf.name("theirs")) is not None

    asyncio.run(scenario())


def test_an_image_with_a_name_of_somebody_elses_is_not_ours(shelf: Shelf) -> None:
    async def scenario() -> None:
        await shelf.use("shared")
        query = {"repo": f"flotilla-test-{shelf.mark}", "tag": "theirs"}
        await shelf.engine.json("POST", f"/images/{shelf.name('shared')}/tag", query=query)
        assert await shelf.keep(0) == []

    asyncio.run(scenario())


def test_an_image_that_somebody_takes_between_its_making_and_its_use_is_made_again(
    runner: Runner, docker: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    create = containers.create

    async def create_after_the_thief(engine: Engine, plan: containers.ContainerPlan) -> str:
        if not taken:
            taken.append(plan.image)
            await docker.json("DELETE", f"/images/{named(plan.image)}", query={"force": 1})
        return await create(engine, plan)

    monkeypatch.setattr(containers, "create", create_after_the_thief)
    assert reward(asyncio.run(runner.run(TaskSpec(environment=unique(""))))) == 1.0
    assert len(taken) == 1


def test_the_engines_own_first_image_is_never_ours(shelf: Shelf) -> None:
    async def scenario() -> None:
        await Images(engine=shelf.engine, governor=shelf.governor, say=print).pulled(IMAGE)
        assert await shelf.keep(0) == []

    asyncio.run(scenario())
