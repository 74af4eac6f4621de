"""Checkups of real hosts, of which one thing at a time is broken."""

import asyncio
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flotilla import database, schema
from flotilla.local.postgres import Postgres
from tests.worker_agent.docker.tasks import labelled
from tests.worker_agent.engine_proxy import FAULT, proxied
from worker_agent.docker.engine import Engine
from worker_agent.environments import Chosen, worker_labels
from worker_agent.health.checkup import Check, checks_of, examine
from worker_agent.health.finding import Finding, healthy
from worker_agent.sandbox import kernel
from worker_agent.settings import Wanted, WorkerSettings

SANDBOX = Chosen(name=Wanted.SANDBOX, reason="")
BOUND = 1.0  # seconds, for checks that are not to be waited for


def found(settings: WorkerSettings, chosen: Chosen | None = SANDBOX, **bounds: float) -> dict[str, Finding]:
    checks = checks_of(settings, chosen=chosen)
    bounded = [replace(check, seconds=bounds.get(check.name.replace(" ", "_"), check.seconds)) for check in checks]
    return {finding.name: finding for finding in asyncio.run(examine(bounded))}


def statuses(findings: dict[str, Finding]) -> dict[str, str]:
    """Those that are not healthy."""
    return {name: str(finding.status) for name, finding in findings.items() if finding.status != "healthy"}


@contextmanager
def hung_mount(place: Path) -> Iterator[None]:
    """A file system whose server never says a word: whoever looks at it waits until it is taken away."""
    server = os.open("/dev/fuse", os.O_RDWR)
    kernel.mount("hung", str(place), kind="fuse", data=f"fd={server},rootmode=40000,user_id=0,group_id=0")
    try:
        yield
    finally:
        os.close(server)
        kernel.unmount(str(place))


def test_a_host_with_everything_is_healthy_in_every_respect(settings: WorkerSettings) -> None:
    findings = found(settings)
    assert statuses(findings) == {}
    assert list(findings) == [
        "disk", "inodes", "memory", "sandbox", "database", "queue", "shared files", "clock", "harbor"
    ]  # fmt: skip
    assert list(settings.shared.iterdir()) == []


def test_one_that_raises_and_one_that_hangs_hide_no_other() -> None:
    async def raises() -> Finding:
        raise RuntimeError("out of luck\nTraceback")

    async def hangs() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    async def is_well() -> Finding:
        return healthy("c", "well")

    checks = [
        Check(name=name, seconds=0.2, mend="mend it", find=find)
        for name, find in (("a", raises), ("b", hangs), ("c", is_well))
    ]
    first, second, third = asyncio.run(examine(checks))
    assert (first.status, first.seen, first.mend) == ("broken", "out of luck", "mend it")
    assert (second.status, second.seen) == ("broken", "it gave no answer within 0 s")
    assert third == healthy("c", "well")


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/fuse").exists(), reason="only root may mount, and needs FUSE")
def test_a_hung_shared_file_system_is_waited_for_no_longer_than_its_bound(settings: WorkerSettings) -> None:
    began = time.monotonic()
    with hung_mount(settings.shared):
        findings = found(settings, shared_files=BOUND)
        assert statuses(findings) == {"shared files": "broken"}
        assert "within 1 s" in findings["shared files"].seen
        assert any(thread.name == "check" for thread in threading.enumerate()), "something hung"
    assert time.monotonic() - began < 30


def test_a_shared_directory_that_is_not_there_is_not_made(settings: WorkerSettings) -> None:
    settings.shared.rmdir()
    findings = found(settings)
    assert statuses(findings) == {"shared files": "broken"}
    assert "FLOTILLA_SHARED" in (findings["shared files"].mend or "")
    assert not settings.shared.exists()


def test_without_a_database_the_clock_is_compared_with_the_queues(settings: WorkerSettings) -> None:
    findings = found(replace(settings, database_url="postgresql+psycopg://postgres:hush@/?host=/nowhere"))
    assert statuses(findings) == {"database": "broken"}
    assert "hush" not in str(findings)
    assert findings["clock"].seen.endswith("the queue")


def test_a_database_that_was_never_migrated_is_told_from_one_that_is_away(
    settings: WorkerSettings, postgres: Postgres
) -> None:
    postgres.create_database("bare")
    try:
        findings = found(replace(settings, database_url=postgres.url("bare")))
        assert statuses(findings) == {"database": "broken"}
        assert "its schema is at nothing" in findings["database"].seen
        engine = database.connect(postgres.url("bare"))
        schema.migrate(engine)
        engine.dispose()
        assert statuses(found(replace(settings, database_url=postgres.url("bare")))) == {}
    finally:
        postgres.drop_database("bare")


def test_a_queue_that_is_not_there_is_named(settings: WorkerSettings) -> None:
    findings = found(replace(settings, queue_high_url=f"{settings.queue_high_url}-nowhere"))
    assert statuses(findings) == {"queue": "broken"}
    assert "NonExistentQueue" in findings["queue"].seen


def test_a_queue_that_takes_connections_and_says_nothing_is_given_up(settings: WorkerSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        findings = found(replace(settings, queue_url=f"{url}/1/runs", endpoint_url=url), queue=BOUND, clock=2 * BOUND)
    assert findings["queue"].status == "broken"
    assert "within 1 s" in findings["queue"].seen


def in_docker(settings: WorkerSettings, host: str) -> dict[str, Finding]:
    return found(settings, Chosen(name=Wanted.DOCKER, reason="", docker_host=host))


def test_a_container_is_really_started_and_nothing_of_it_stays(settings: WorkerSettings, docker_engine: str) -> None:
    findings = in_docker(settings, docker_engine)
    assert statuses(findings) == {}
    assert "started and removed a container" in findings["docker"].seen
    assert asyncio.run(labelled(Engine(docker_engine), worker_labels(settings))) == []


def test_an_engine_that_answers_and_starts_nothing_is_broken(
    settings: WorkerSettings, docker_engine: str, tmp_path: Path
) -> None:
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        proxy.broken = True
        findings = in_docker(settings, proxy.address)
    assert statuses(findings) == {"docker": "broken"}
    assert FAULT in findings["docker"].seen
    assert asyncio.run(labelled(Engine(docker_engine), worker_labels(settings))) == []


def test_an_engine_that_is_away_is_named_whatever_the_environment_was_to_be(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nothing/docker.sock")
    wanted = replace(settings, environment=Wanted.DOCKER)
    findings = found(wanted, None)
    assert statuses(findings) == {"docker": "broken"}
    assert "unix:///nothing/docker.sock" in f"{findings['docker'].seen} {findings['docker'].mend}"


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no command line to look for")
def test_a_host_without_compose_is_told_what_to_install(
    settings: WorkerSettings, docker_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    findings = in_docker(settings, docker_engine)
    assert findings["docker"].status == "degraded"
    assert "docker-compose" in (findings["docker"].mend or "")
