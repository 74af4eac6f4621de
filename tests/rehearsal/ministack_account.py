"""ministack as a process, with what stands in where it has no body."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cdk.user_data import MACHINE_IMAGE_PARAMETER
from tests.rehearsal.account import Account
from tests.rehearsal.cdk_cli import ACCOUNT, ROOT, account_environment
from tests.rehearsal.tls_postgres import TlsPostgres, tls_postgres

PYTHON = ROOT / ".cache" / "ministack" / "bin" / "python"
"""Of an environment that `make` fills from requirements/emulator.txt."""
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingAccount:
    """An account whose functions run; `shared` is what its file system is, `calls` what was asked of its group."""

    account: Account
    shared: Path
    calls: Path

    def group_calls(self) -> list[dict[str, str]]:
        """Each change of the group that somebody asked for, in order."""
        return [json.loads(line) for line in self.calls.read_text().splitlines()]


@contextmanager
def ministack_account(home: Path) -> Iterator[LivingAccount]:
    """The server and its stand-ins, for the length of a `with` block."""
    shared, calls = home / "shared", home / "group-calls"
    shared.mkdir()
    calls.touch()
    endpoint = f"http://127.0.0.1:{_free_port()}"
    with tls_postgres(home / "postgres") as database, (home / "ministack.log").open("wb") as log:
        server = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name("ministack_server.py"))],
            env=_environment(endpoint, home=home, database=database),
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await(server, endpoint)
            environment = account_environment(endpoint, home=home)
            account = Account(endpoint=endpoint, environment=environment)
            yield LivingAccount(account=account, shared=shared, calls=calls)
        finally:
            server.terminate()
            server.wait(timeout=60)


def _environment(endpoint: str, *, home: Path, database: TlsPostgres) -> dict[str, str]:
    seams = {
        "python": sys.executable,
        "shared": str(home / "shared"),
        "calls": str(home / "group-calls"),
        "wrapper": str(home / "function"),
        "image": MACHINE_IMAGE_PARAMETER,
        "database": {
            "host": database.host,
            "port": database.port,
            "ca": str(database.ca),
            "socket": str(database.socket),
        },
    }
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": endpoint.rsplit(":", 1)[1],
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "FLOTILLA_REHEARSAL": json.dumps(seams),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(server: subprocess.Popen[bytes], endpoint: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(endpoint):
        if server.poll() is not None or time.monotonic() > deadline:
            raise AssertionError("ministack did not start: see the end of its log in the rehearsal's directory")
        time.sleep(0.1)


def _answers(endpoint: str) -> bool:
    try:
        return httpx.get(f"{endpoint}/_ministack/health", timeout=2).is_success
    except httpx.TransportError:
        return False
