"""What people and machines do with a deployed fleet: the command line, and a worker of this checkout."""

import json
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rehearsal.cdk_cli import ROOT
from tests.rehearsal.ministack_account import LivingAccount

PROGRAMS = Path(sys.executable).parent
HELLO = ROOT / "examples" / "tasks" / "hello"
LARGE_MIB = 50
GIVEN = ("FLOTILLA_DATABASE_SECRET", "FLOTILLA_QUEUE_URL", "FLOTILLA_QUEUE_HIGH_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an address, a key, and a home where their command line keeps its notes."""

    url: str
    key: str
    home: Path

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the command line."""
        return subprocess.Popen(
            [str(PROGRAMS / "flotilla"), *arguments],
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "FLOTILLA_URL": self.url,
                "FLOTILLA_API_KEY": self.key,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, task: Path, *options: str) -> Any:
        """Runs a task by the oracle and returns what the command line says of it."""
        return self.ask("run", "-p", str(task), "-a", "oracle", *options)

    def ask(self, *words: str) -> Any:
        """The document that a command prints."""
        process = self.command(*words, "--json")
        said, complained = process.communicate(timeout=300)
        assert process.returncode == 0, complained
        return json.loads(said)


@contextmanager
def worker(living: LivingAccount, settings: Mapping[str, str], *, scratch: Path) -> Iterator[None]:
    """A worker agent with the deployed settings; the directory is its file system, and this machine its slots."""
    environment = {**living.account.environment, **{name: settings[name] for name in GIVEN}}
    environment |= {"FLOTILLA_SHARED": str(living.shared), "FLOTILLA_SCRATCH": str(scratch), "FLOTILLA_SLOTS": "4"}
    environment |= {"FLOTILLA_WORKER_NAME": "rehearsal", "FLOTILLA_ENVIRONMENT": "auto"}
    with (scratch.parent / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker_agent"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=120)


def large_task(directory: Path) -> Path:
    """An archive of fifty MiB that does not compress: the example task with ballast."""
    task = directory / "large"
    shutil.copytree(HELLO, task)
    (task / "environment" / "ballast").write_bytes(secrets.token_bytes(LARGE_MIB * 2**20))
    archive = directory / "large.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(task, arcname=".")
    return archive
