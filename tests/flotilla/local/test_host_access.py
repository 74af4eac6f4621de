"""What `flotilla up` was told about host access reaches its server and its workers, and so every trial."""

from pathlib import Path

import pytest

from flotilla.local.data_directory import DataDirectory
from flotilla.local.plan import Plan
from flotilla.local.programs import Addresses, server_program, worker_program
from flotilla.local.server import ServerSettings
from flotilla.settings import read
from worker_agent.settings import WorkerSettings

ADDRESSES = Addresses(database_url="postgresql://x", queue_endpoint="http://127.0.0.1:1", queue_key="k")


@pytest.mark.parametrize(("told", "allowed"), [({}, False), ({"FLOTILLA_ALLOW_HOST_ACCESS": "true"}, True)])
def test_server_and_workers_are_told_the_same(told: dict[str, str], allowed: bool, tmp_path: Path) -> None:
    plan = Plan(
        directory=DataDirectory(tmp_path),
        port=1,
        workers=1,
        slots=1,
        environment="auto",
        secrets_file=None,
        variables=told,
    )

    server = read(server_program(plan, addresses=ADDRESSES, listener=3).environment, ServerSettings)
    worker = read(worker_program(plan, name="w", addresses=ADDRESSES).environment, WorkerSettings)

    assert (server.allow_host_access, worker.allow_host_access) == (allowed, allowed)
