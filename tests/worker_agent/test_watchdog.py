"""What systemd hears of a worker, over a real notification socket."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run_queues import running_sqs
from worker_agent.watchdog import Watchdog

PERIOD_SECONDS = 0.06
PATIENCE_SECONDS = 60


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd listens at; its address is that of a file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    """All that has come until now."""
    messages = []
    while select.select([listener], [], [], 0)[0]:
        messages.append(listener.recv(4096).decode())
    return messages


def watchdog_of(listener: socket.socket, **variables: str) -> Watchdog:
    address = listener.getsockname()
    microseconds = str(round(PERIOD_SECONDS * 1_000_000))
    return Watchdog.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": microseconds, **variables})


def test_systemd_hears_that_the_worker_is_ready_and_that_it_ends(systemd: socket.socket) -> None:
    watchdog = watchdog_of(systemd)
    watchdog.ready()
    watchdog.stopping()
    assert heard(systemd) == ["READY=1", "STOPPING=1"]


def test_an_abstract_address_is_understood() -> None:
    name = f"flotilla-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        Watchdog.of({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard(listener) == ["READY=1"]


def test_the_watchdog_is_fed_while_the_loop_turns_and_not_while_it_stands_still(systemd: socket.socket) -> None:
    async def turn_then_stand_still() -> list[str]:
        loop = asyncio.get_running_loop()
        feeding = asyncio.create_task(watchdog_of(systemd).run())
        for _ in range(4):
            assert await loop.run_in_executor(None, systemd.recv, 4096) == b"WATCHDOG=1"
        time.sleep(5 * PERIOD_SECONDS)  # noqa: ASYNC251 - a loop that stands still is what this is about
        meanwhile = heard(systemd)
        feeding.cancel()
        return meanwhile

    assert len(asyncio.run(turn_then_stand_still())) <= 1


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(systemd: socket.socket) -> None:
    watchdog = watchdog_of(systemd, WATCHDOG_PID=str(os.getpid() + 1))

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watchdog.run(), timeout=3 * PERIOD_SECONDS)

    asyncio.run(run())
    assert heard(systemd) == []


def test_without_systemd_nobody_is_told_and_nothing_ends() -> None:
    watchdog = Watchdog.of({})

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watchdog.run(), timeout=PERIOD_SECONDS)

    watchdog.ready()
    asyncio.run(run())


def test_a_systemd_that_does_not_listen_ends_no_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Watchdog.of({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
    assert "systemd was not told READY=1" in caplog.text


def test_a_worker_that_lost_contact_to_its_queue_is_fed_and_says_when_it_ends(
    database_url: str, tmp_path: Path, systemd: socket.socket
) -> None:
    (tmp_path / "shared").mkdir()
    with running_sqs("--queue", "runs", "--queue", "runs-high") as sqs:
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker_agent"],
            env={
                "PATH": os.environ["PATH"],
                "FLOTILLA_DATABASE_URL": database_url,
                "FLOTILLA_SHARED": str(tmp_path / "shared"),
                "FLOTILLA_SCRATCH": str(tmp_path / "scratch"),
                "FLOTILLA_QUEUE_URL": f"{sqs.url}/000000000000/runs",
                "FLOTILLA_QUEUE_HIGH_URL": f"{sqs.url}/000000000000/runs-high",
                "FLOTILLA_DRAIN_SECONDS": "0",
                "AWS_ENDPOINT_URL": sqs.url,
                "AWS_ACCESS_KEY_ID": "made-up",
                "AWS_SECRET_ACCESS_KEY": "made-up",
                "NOTIFY_SOCKET": systemd.getsockname(),
                "WATCHDOG_USEC": "300000",
            },
        )
        with worker:
            try:
                assert systemd.recv(4096) == b"READY=1"
                sqs.process.kill()
                sqs.process.wait(PATIENCE_SECONDS)
                heard(systemd)
                assert [systemd.recv(4096) for _ in range(20)] == [b"WATCHDOG=1"] * 20
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(PATIENCE_SECONDS) == 0
                assert heard(systemd)[-1] == "STOPPING=1"
            finally:
                worker.kill()
