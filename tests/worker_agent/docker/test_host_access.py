"""A worker judges a task's Compose files again, by what Compose makes of them, before anything of the task starts."""

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from flotilla.causes import Cause, cause_of
from tests.worker_agent.docker.tasks import IMAGE, REWARD_IF_DONE, Runner, TaskSpec, fault, reward, unique
from worker_agent.docker.engine import Engine

# Harbor warns of its own use of what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

PLAIN = {"Dockerfile": f"FROM {IMAGE}\n"}


def task(compose: str, *, settings: str = "", **files: str) -> TaskSpec:
    return TaskSpec(environment={**PLAIN, "docker-compose.yaml": compose, **files}, settings=settings)


def refused(runner: Runner, docker: Engine, spec: TaskSpec, *, link: Path | None = None) -> str:
    """The message of a trial that ended before the engine heard of it."""

    async def scenario() -> str:
        name = f"trial-{uuid.uuid4().hex[:12]}"
        folder = spec.write(runner.folder / name / "task")
        if link is not None:
            (folder / "environment" / "data").symlink_to(link)
        before = await _now(docker)
        result = await (await runner.trial_of(folder, name=name)).run()
        after = await _now(docker)
        assert result.exception_info is not None
        assert fault(result) == "ComposeFileError", result.exception_info.exception_message
        assert await _told_of(docker, name, since=before, until=after) == []
        message = result.exception_info.exception_message
        assert cause_of("ComposeFileError", message) is Cause.TASK_INVALID
        return message

    return asyncio.run(scenario())


async def _now(docker: Engine) -> float:
    return datetime.fromisoformat((await docker.json("GET", "/info"))["SystemTime"]).timestamp()


async def _told_of(docker: Engine, name: str, *, since: float, until: float) -> list[str]:
    """What the engine did for the trial: containers, networks and volumes have its name in theirs."""
    query = {"since": since, "until": until}
    return [str(event) async for event in docker.events("GET", "/events", query=query) if name in str(event)]


@pytest.mark.parametrize(
    ("compose", "key"),
    [
        ("services: {main: {network_mode: host}}", "services/main/network_mode"),
        ("services: {db: {image: x, volumes: ['/var/run/docker.sock:/s']}}", "services/db/volumes/0"),
        ("services: {main: {build: {context: ., network: host}}}", "services/main/build/network"),
        ("include: ['https://127.0.0.1:1/x.git']", "include/0/path"),
    ],
)
def test_what_an_upload_would_be_refused_for_ends_before_compose_reads_it(
    runner: Runner, docker: Engine, compose: str, key: str
) -> None:
    assert f"/docker-compose.yaml/{key}" in refused(runner, docker, task(compose))


def test_a_folder_that_turns_out_to_lie_elsewhere_is_not_mounted(runner: Runner, docker: Engine) -> None:
    message = refused(runner, docker, task("services: {main: {volumes: ['./data:/x:ro']}}"), link=Path("/etc"))

    assert "services.main.volumes.0" in message


def test_what_compose_cannot_read_is_the_tasks_fault(runner: Runner, docker: Engine) -> None:
    assert "NEEDED" in refused(runner, docker, task("services: {main: {image: '${NEEDED:?no such}'}}"))


def test_a_deployment_that_allows_it_runs_the_task(runner: Runner) -> None:
    spec = replace(
        task("services: {main: {volumes: ['/etc/hostname:/host-name:ro']}}"),
        solve="test -s /host-name && touch /done",
    )

    result = asyncio.run(replace(runner, allow_host_access=True).run(spec))

    assert reward(result) == 1.0


def test_what_a_task_may_ask_for_is_run_as_before(runner: Runner) -> None:
    compose = (
        "x-all: &all {cap_add: [SYS_PTRACE], logging: {driver: json-file, options: {compress: 'true', max-file: '3'}}}"
        "\nservices:\n"
        "  main:\n    <<: *all\n    volumes: ['./data:/data:ro', 'kept:/kept', '${HOST_VERIFIER_LOGS_PATH}:/mine']\n"
        "    ports: ['80']\n    networks: [default, inner]\n"
        "  db: {<<: *all, extends: {file: more/base.yaml, service: base}, networks: [inner], init: true}\n"
        "networks: {inner: {internal: true}}\nvolumes: {kept: {}}\n"
    )
    files = {
        "data/word.txt": "yes\n",
        "more/base.yaml": f"services: {{base: {{image: '{IMAGE}', command: sleep infinity}}}}\n",
    }
    spec = TaskSpec(
        environment={**unique(""), "docker-compose.yaml": compose, **files},
        solve="grep -q yes /data/word.txt && getent hosts db && touch /kept/x /done",
        verify=REWARD_IF_DONE,
    )

    assert reward(asyncio.run(runner.run(spec))) == 1.0
