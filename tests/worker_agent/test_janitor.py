"""What the janitor removes, and what it must not touch."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TRIAL_IMAGE
from tests.worker_agent.engine_proxy import Injury, Kind, proxied
from worker_agent.control_group import ControlGroup
from worker_agent.docker.engine import Engine
from worker_agent.docker.leftovers import ATTEMPTS, remove_labelled
from worker_agent.environments import Chosen
from worker_agent.janitor import GRACE_SECONDS, Janitor, clear_place
from worker_agent.sandbox.groups import name_of
from worker_agent.settings import Wanted, WorkerSettings

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]
OURS, OTHERS = (f"worker-{uuid.uuid4().hex[:12]}" for _ in range(2))


def settings(scratch: Path, *, name: str = OURS) -> WorkerSettings:
    return WorkerSettings(queue_url="", queue_high_url="", database_url="x", worker_name=name, scratch=scratch)


@pytest.fixture
def objects(docker_engine: str) -> Iterator[dict[str, dict[str, str]]]:
    """Networks and volumes on the engine, by name, with their labels; those of the tests are removed at the end."""
    labels = {
        "stray": {"flotilla.worker": OURS, "flotilla.trial": "task__stray"},
        "in-hand": {"flotilla.worker": OURS, "flotilla.trial": "task__known"},
        "shared": {"flotilla.worker": OURS},
        "others": {"flotilla.worker": OTHERS, "flotilla.trial": "task__stray"},
        "foreign": {"somebody.else": uuid.uuid4().hex},
    }
    engine = Engine(docker_engine)
    made = {f"{name}-{uuid.uuid4().hex[:8]}": words for name, words in labels.items()}

    async def make() -> None:
        for name, words in made.items():
            await engine.json("POST", "/volumes/create", body={"Name": name, "Labels": words})

    asyncio.run(make())
    yield made
    for words in labels.values():
        asyncio.run(remove_labelled(engine, words))


def left(host: str, objects: dict[str, dict[str, str]]) -> set[str]:
    query = {"filters": json.dumps({"name": list(objects)})}
    volumes = asyncio.run(Engine(host).json("GET", "/volumes", query=query))["Volumes"] or []
    return {str(volume["Name"]).rpartition("-")[0] for volume in volumes}


def test_only_what_is_of_this_worker_and_of_no_trial_in_hand_is_a_stray(
    docker_engine: str, objects: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    chosen = Chosen(name=Wanted.DOCKER, reason="", docker_host=docker_engine)
    janitor = Janitor(settings(tmp_path), chosen, trials=lambda: {"task__known"})
    asyncio.run(janitor.clear(older_than=time.time() - GRACE_SECONDS))
    assert left(docker_engine, objects) == {"stray", "in-hand", "shared", "others", "foreign"}, "it is too young"
    asyncio.run(janitor.clear(older_than=time.time() + 5))
    assert left(docker_engine, objects) == {"in-hand", "shared", "others", "foreign"}


def test_a_removal_that_failed_is_repeated_in_the_next_rounds_and_holds_up_no_other(
    docker_engine: str, objects: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    name = next(name for name in objects if name.startswith("stray"))
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        proxy.injuries.append(Injury(calls=rf"DELETE \S*/volumes/{name}", kind=Kind.REFUSED, left=ATTEMPTS))
        janitor = Janitor(
            settings(tmp_path),
            Chosen(name=Wanted.DOCKER, reason="", docker_host=proxy.address),
            trials=set,
        )
        asyncio.run(janitor.clear(older_than=time.time() + 5))
        assert left(docker_engine, objects) == {"stray", "shared", "others", "foreign"}, "the other one is gone"
        asyncio.run(janitor.clear(older_than=time.time() + 5))
        assert left(docker_engine, objects) == {"shared", "others", "foreign"}


def test_an_image_of_a_trial_alone_is_a_stray_too(docker_engine: str, tmp_path: Path) -> None:
    engine = Engine(docker_engine)
    labels = {"flotilla.worker": f"{OURS}-images", "flotilla.trial": "task__built"}
    changes = [f"LABEL {name}={text}" for name, text in labels.items()]
    chosen = Chosen(name=Wanted.DOCKER, reason="", docker_host=docker_engine)
    janitor = Janitor(settings(tmp_path, name=labels["flotilla.worker"]), chosen, trials=set)
    query = {"filters": json.dumps({"label": [f"flotilla.worker={labels['flotilla.worker']}"]})}

    async def scenario() -> tuple[int, int]:
        made = await engine.json("POST", "/containers/create", body={"Image": TRIAL_IMAGE, "Cmd": ["true"]})
        commit = {"container": made["Id"], "repo": "flotilla-test-stray", "tag": uuid.uuid4().hex}
        await engine.json("POST", "/commit", query={**commit, "changes": "\n".join(changes)})
        await engine.json("DELETE", f"/containers/{made['Id']}")
        before = await engine.json("GET", "/images/json", query=query)
        await janitor.clear(older_than=time.time() + 5)
        return len(before), len(await engine.json("GET", "/images/json", query=query))

    assert asyncio.run(scenario()) == (1, 0)


def test_at_the_start_all_of_this_worker_goes_and_nothing_else_on_the_engine(
    docker_engine: str, objects: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    asyncio.run(clear_place(tmp_path, worker_name=OURS, docker_host=docker_engine))
    assert left(docker_engine, objects) == {"others", "foreign"}


def test_a_dead_trials_processes_and_scratch_go_and_another_workers_stay(tmp_path: Path) -> None:
    mine, anothers = (tmp_path / name / "trials" / "task__1" for name in ("mine", "mine-too"))
    children = []
    for place in (mine, anothers):
        (place / "home").mkdir(parents=True)
        children.append(subprocess.Popen(SLEEP, env={"HOME": str(place / "home"), "PATH": os.environ["PATH"]}))
    dead, alive = children
    try:
        asyncio.run(clear_place(tmp_path / "mine", worker_name=OURS, docker_host=None))
        assert dead.wait(10) == -9
        assert not mine.exists()
        assert alive.poll() is None
        assert anothers.is_dir()
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_the_control_groups_of_a_killed_workers_sandboxes_are_removed(tmp_path: Path) -> None:
    sandbox = tmp_path / "trials" / "one" / "sandbox" / f"{uuid.uuid4().hex}__env"
    sandbox.mkdir(parents=True)
    if ControlGroup.make(name_of(sandbox), processes=10, memory_bytes=64 << 20) is None:
        pytest.skip("this host, or who we are, allows no control groups")
    asyncio.run(clear_place(tmp_path, worker_name=OURS, docker_host=None))
    assert ControlGroup.called(name_of(sandbox)).folders == {}
