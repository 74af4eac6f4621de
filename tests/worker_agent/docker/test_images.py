"""Images are found, pulled and built once; what fails says why."""

import asyncio
import base64
import json
import uuid
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.worker_agent.docker.tasks import IMAGE
from worker_agent.docker.credentials import registry_auth, registry_of
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import ImageBuildError, ImageBuildTimeoutError, ImagePullError
from worker_agent.docker.governor import Governor
from worker_agent.docker.images import Images, Say, reference

NOWHERE = "registry.invalid/nobody/nothing:1"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def images(docker: Engine, tmp_path: Path, said: list[str]) -> Images:
    return Images(engine=docker, governor=Governor(directory=tmp_path / "locks"), say=said.append)


def test_an_image_that_is_here_is_not_pulled(images: Images, said: list[str]) -> None:
    assert asyncio.run(images.pulled(IMAGE))["Os"] == "linux"
    assert said == []


def test_an_image_that_is_nowhere_cannot_be_pulled(images: Images) -> None:
    with pytest.raises(ImagePullError, match=NOWHERE):
        asyncio.run(images.pulled(NOWHERE))


@dataclass(frozen=True, kw_only=True)
class HeardGovernor(Governor):
    """One that can be heard when somebody has come to be alone, and so may have to wait."""

    came: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        self.came.release()
        return super().alone(name)


def test_one_failed_build_is_the_answer_to_all_who_waited_for_it(
    docker: Engine, tmp_path: Path, said: list[str]
) -> None:
    governor, builds = HeardGovernor(directory=tmp_path / "locks"), 0
    images = Images(engine=docker, governor=governor, say=said.append)

    async def failing(say: Say) -> int:
        nonlocal builds
        builds += 1
        for number in range(100):
            say(f"step {number}")
        for _ in range(5):
            await governor.came.acquire()
        return 17

    async def five_at_once(name: str) -> list[object]:
        wanted = [images.built([name], build=failing, seconds=20) for _ in range(5)]
        return list(await asyncio.gather(*wanted, return_exceptions=True))

    async def in_turn(name: str) -> tuple[list[object], list[object]]:
        first = await five_at_once(name)
        assert builds == 1
        return first, await five_at_once(name)

    name = f"flotilla-test-{uuid.uuid4().hex}:1"
    errors, _ = asyncio.run(in_turn(name))
    assert [type(error) for error in errors] == [ImageBuildError] * 5
    assert "step 99" in str(errors[-1])
    assert "step 59" not in str(errors[-1])
    assert said[:2] == [f"building {name}", "step 0"]
    assert builds == 2  # who asks after the failure gets an attempt of its own


def test_a_build_beyond_its_time_is_named_so(images: Images) -> None:
    async def endless(say: Say) -> int:
        say("the last thing it did")
        await asyncio.Event().wait()
        return 0

    with pytest.raises(ImageBuildTimeoutError, match=r"within 0\.1 s(.|\n)*the last thing it did"):
        asyncio.run(images.built([f"flotilla-test-{uuid.uuid4().hex}:1"], build=endless, seconds=0.1))


def test_a_first_image_that_is_not_to_be_had_is_a_pull_that_failed(images: Images) -> None:
    async def build(say: Say) -> int:
        say("failed to solve: x: failed to resolve source metadata for docker.io/library/x")
        return 17

    with pytest.raises(ImagePullError, match="cannot be pulled"):
        asyncio.run(images.built([f"flotilla-test-{uuid.uuid4().hex}:1"], build=build, seconds=60))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("debian", ("debian", "latest")),
        ("debian:12", ("debian", "12")),
        ("host:5000/team/tool", ("host:5000/team/tool", "latest")),
        ("host:5000/team/tool:v1", ("host:5000/team/tool", "v1")),
        ("debian@sha256:abc", ("debian", "sha256:abc")),
        ("debian:12@sha256:abc", ("debian:12", "sha256:abc")),
    ],
)
def test_a_reference_always_has_one_tag_or_digest(name: str, parts: tuple[str, str]) -> None:
    assert reference(name) == parts


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("team/tool:1", "https://index.docker.io/v1/"),
        ("localhost/tool", "localhost"),
        ("host:5000/tool", "host:5000"),
        ("registry.example/tool", "registry.example"),
    ],
)
def test_the_registry_of_an_image_is_what_looks_like_a_host(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def test_a_login_of_the_command_line_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = base64.b64encode(b"user:pass:word").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example": {"auth": entry}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    document = json.loads(base64.urlsafe_b64decode(registry_auth("registry.example/tool")["X-Registry-Auth"]))
    assert (document["username"], document["password"]) == ("user", "pass:word")
    assert registry_auth("elsewhere.example/tool") == {}


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text('#!/bin/sh\nread -r server\necho "{\\"Username\\": \\"u\\", \\"Secret\\": \\"for $server\\"}"\n')
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"registry.example": "test"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    document = json.loads(base64.urlsafe_b64decode(registry_auth("registry.example/tool")["X-Registry-Auth"]))
    assert document["password"] == "for registry.example"


def test_without_a_configuration_no_one_logs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert registry_auth("registry.example/tool") == {}
