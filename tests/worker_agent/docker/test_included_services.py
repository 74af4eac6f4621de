"""Services that come by Compose's `include` and `extends` have the labels and limits of all others."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from tests.worker_agent.docker.tasks import IMAGE, IMAGE_LABEL, Runner, TaskSpec, fault, labelled, reward
from worker_agent.docker.engine import Engine

pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")  # Harbor's own

FILES = {
    "docker-compose.yaml": """
include: [side/db.yaml, {path: [deep/first.yaml, deep/second.yaml], project_directory: deep}]
services:
  main: {depends_on: [db, nested, twice]}
  same: {extends: kept, command: sleep infinity}
  kept: {image: IMAGE, command: sleep infinity, pids_limit: 7, mem_limit: 32m, init: true}
  other: {extends: {file: side/base.yaml, service: base}}
  endless: {image: IMAGE, command: sleep infinity, init: true, mem_limit: 0}
  vast: {image: IMAGE, command: sleep infinity, init: true, deploy: {resources: {limits: {memory: '0'}}}}
  slow: {image: IMAGE, command: sleep infinity, init: true, deploy: {resources: {limits: {cpus: '0.5'}}}}
  absent: {image: IMAGE, profiles: [never]}
""",
    "side/db.yaml": """
include: [more/nested.yaml]
services: {db: {image: IMAGE, command: sleep infinity, init: true, volumes: ['data:/data']}}
volumes: {data: {}}
networks: {apart: {}}
""",
    "side/more/nested.yaml": """
services: {nested: {build: ., command: sleep infinity, init: true, pids_limit: 100000, networks: [apart]}}
networks: {apart: {}}
""",
    "side/more/Dockerfile": f"FROM IMAGE\nLABEL {IMAGE_LABEL}=included\n",
    "side/base.yaml": """
services:
  base: {image: IMAGE, command: sleep infinity, logging: {driver: json-file, options: {max-size: 100m}}, init: true}
""",
    "deep/first.yaml": "services: {twice: {image: IMAGE, init: true}}\n",
    "deep/second.yaml": "services: {twice: {command: sleep infinity}}\n",
}
SERVICES = {"main", "db", "nested", "twice", "same", "kept", "other", "endless", "vast", "slow"}
SPEC = TaskSpec(
    settings=f'docker_image = "{IMAGE}"',
    environment={name: text.replace("IMAGE", IMAGE) for name, text in FILES.items()},
    solve="getent hosts db twice && touch /done",
)


def images(docker: Engine, **filters: list[str]) -> list[Any]:
    """Those of the engine that the filters leave."""
    return list(asyncio.run(docker.json("GET", "/images/json", query={"filters": json.dumps(filters)})))


@pytest.mark.parametrize("allow_host_access", [False, True])
def test_each_of_them_is_labelled_and_limited(
    runner: Runner, docker: Engine, labels: dict[str, str], allow_host_access: bool
) -> None:
    class Seen(dict[str, Mapping[str, Any]]):
        volumes = networks = 0

    async def scenario() -> Seen:
        within = Runner(
            folder=runner.folder, labels=labels, network=runner.network, allow_host_access=allow_host_access
        )
        environment = (await within.trial(SPEC)).agent_environment
        await environment.start(force_build=False)
        seen = Seen()
        try:
            for container in await labelled(docker, labels):
                service = container["Labels"]["com.docker.compose.service"]
                seen[service] = (await docker.json("GET", f"/containers/{container['Id']}/json"))["HostConfig"]
            mark = next(f"{name}={text}" for name, text in labels.items())
            query = {"filters": f'{{"label": ["{mark}"]}}'}
            seen.volumes = len((await docker.json("GET", "/volumes", query=query))["Volumes"])
            seen.networks = len(await docker.json("GET", "/networks", query=query))
        finally:
            await environment.stop(delete=True)
        return seen

    seen = asyncio.run(scenario())
    assert set(seen) == SERVICES
    assert {name: host["PidsLimit"] for name, host in seen.items()} == {
        **dict.fromkeys(SERVICES, 4096), "kept": 7, "same": 7,
    }  # fmt: skip
    megabytes = {name: host["Memory"] >> 20 for name, host in seen.items() if name != "main"}
    assert megabytes == {**dict.fromkeys(SERVICES - {"main"}, 4096), "kept": 32, "same": 32}
    assert {host["OomScoreAdj"] for host in seen.values()} == {500}
    assert {host["LogConfig"]["Config"]["max-size"] for host in seen.values()} == {"1m"}
    assert (seen.volumes, seen.networks) == (1, 2)


def test_the_oracle_solves_a_task_with_them(runner: Runner, docker: Engine) -> None:
    result = asyncio.run(runner.run(SPEC))
    assert (reward(result), fault(result)) == (1.0, None)
    left = images(docker, label=[f"{IMAGE_LABEL}=included"], dangling=["false"])
    assert left == [], "what Compose built for this trial alone has gone with it"


@pytest.mark.parametrize(
    "text",
    [
        "services: !any {hidden: %s}",
        "!any services: {hidden: %s}",
        "services: {hidden: !any %s}",
        "services: {main: {init: true}}\n---\nservices: {hidden: %s}",
    ],
)
def test_a_service_behind_a_tag_or_in_a_second_document_is_labelled_and_limited(
    runner: Runner, docker: Engine, labels: dict[str, str], text: str
) -> None:
    service = f"{{image: '{IMAGE}', command: sleep infinity, init: true, volumes: ['data:/data']}}"
    files = {"docker-compose.yaml": f"{text % service}\nvolumes: !any {{data: {{}}}}\n"}

    async def scenario() -> tuple[dict[str, Any], int]:
        spec = TaskSpec(settings=f'docker_image = "{IMAGE}"', environment=files)
        environment = (await runner.trial(spec)).agent_environment
        await environment.start(force_build=False)
        try:
            seen = {
                one["Labels"]["com.docker.compose.service"]: await docker.json("GET", f"/containers/{one['Id']}/json")
                for one in await labelled(docker, labels)
            }
            mark = next(f"{name}={text}" for name, text in labels.items())
            query = {"filters": f'{{"label": ["{mark}"]}}'}
            return seen, len((await docker.json("GET", "/volumes", query=query))["Volumes"])
        finally:
            await environment.stop(delete=True)

    seen, volumes = asyncio.run(scenario())
    assert (set(seen), volumes) == ({"main", "hidden"}, 1)
    host = seen["hidden"]["HostConfig"]
    assert (host["PidsLimit"], host["Memory"] >> 20, host["OomScoreAdj"]) == (4096, 4096, 500)
    assert host["LogConfig"]["Config"]["max-size"] == "1m"


def test_a_tag_gives_no_image_a_name_of_the_tasks_choice(runner: Runner, docker: Engine) -> None:
    name = f"flotilla-test-{uuid.uuid4().hex[:12]}:chosen"
    service = f"{{build: ., image: '{name}', pull_policy: build, command: sleep infinity, init: true}}"
    files = {
        "docker-compose.yaml": f"services: {{hidden: !any {service}}}\n",
        "Dockerfile": f"FROM {IMAGE}\nLABEL {IMAGE_LABEL}=hidden\n",
    }
    asyncio.run(runner.run(TaskSpec(settings=f'docker_image = "{IMAGE}"', environment=files)))
    assert images(docker, reference=[name]) == []


def test_a_main_that_compose_would_not_start_is_refused(runner: Runner) -> None:
    files = {
        "docker-compose.yaml": "include: [x.yaml]\nservices: {main: {profiles: [never]}}\n",
        "x.yaml": f"services: {{x: {{image: '{IMAGE}', command: sleep infinity, init: true}}}}\n",
    }
    result = asyncio.run(runner.run(TaskSpec(settings=f'docker_image = "{IMAGE}"', environment=files)))
    assert fault(result) == "ComposeFileError"


def test_what_they_ask_of_the_host_is_refused_as_everywhere(runner: Runner) -> None:
    files = {
        "docker-compose.yaml": "include: [x.yaml]\n",
        "x.yaml": f"services: {{x: {{image: {IMAGE}, pid: host}}}}\n",
    }
    result = asyncio.run(runner.run(TaskSpec(settings=f'docker_image = "{IMAGE}"', environment=files)))
    assert fault(result) == "ComposeFileError"
