"""`python -m flotilla.local.demo`: ten runs of an example on a stack of their own, and nothing left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from flotilla.cli.client import Client
from flotilla.cli.connection import KEY_VARIABLE, URL_VARIABLE, Connection
from flotilla.cli.documents import Job
from flotilla.cli.faults import CommandFault
from flotilla.cli.report import follow, print_job
from flotilla.cli.task_archive import open_task
from flotilla.local.children import SOURCE
from flotilla.local.data_directory import DataDirectory
from flotilla.local.faults import StackFault
from flotilla.local.leftovers import left_on_engine, left_on_host
from flotilla.local.plan import Plan
from worker_agent.docker.engine import DEFAULT_HOST, Engine
from worker_agent.docker.errors import EngineError, EngineUnavailableError, ImagePullError
from worker_agent.docker.governor import Governor
from worker_agent.docker.images import Images
from worker_agent.settings import Wanted

TASK = SOURCE / "examples" / "tasks" / "hello"
RUNS = 10
PULL_SECONDS = 300.0


def main() -> int:
    """0 if every run was graded 1.0 and nothing is left, else 1."""
    with tempfile.TemporaryDirectory(prefix="flotilla-demo-") as place:
        plan = Plan(
            directory=DataDirectory(Path(place)),
            port=0,
            workers=1,
            slots=RUNS,
            environment="auto",
            secrets_file=None,
            variables=dict(os.environ),
        )
        try:
            good = _demonstrate(plan)
        except (CommandFault, StackFault) as fault:
            _say(str(fault))
            good = False
        left = _leftovers(plan)
    _say("\n".join(["still there:", *left]) if left else "stopped: no process, container, network or mount is left")
    return 0 if good and not left else 1


def _demonstrate(plan: Plan) -> bool:
    started = time.monotonic()
    environment = asyncio.run(_environment(plan))
    with _stack(plan, environment) as connection, Client.opened(connection) as client:
        _say(f"the stack is up after {time.monotonic() - started:.1f} s; {RUNS} runs of {TASK.name} by the oracle:")
        job = _run(client)
        print_job(client, job)
        good = job["counts"]["graded"] == RUNS and job["mean_reward"] == 1.0
    _say(f"{'all as it should be' if good else 'NOT as it should be'}, in {time.monotonic() - started:.1f} s")
    return good


async def _environment(plan: Plan) -> str:
    """Docker where an engine has, or can get, the image that the example is built on."""
    chosen = await plan.choose_environment()
    if chosen.docker_host is None:
        return plan.environment
    image = tomllib.loads((TASK / "task.toml").read_text())["environment"]["docker_image"]
    governor = Governor(directory=plan.directory.governor)
    try:
        async with asyncio.timeout(PULL_SECONDS):
            await Images(engine=Engine(chosen.docker_host), governor=governor, say=_say).pulled(image)
    except (ImagePullError, EngineError, EngineUnavailableError, TimeoutError) as fault:
        _say(f"{chosen.reason}, but it has no image {image} and gets none ({fault}): trials run in the sandbox instead")
        return Wanted.SANDBOX.value
    return Wanted.DOCKER.value


@contextlib.contextmanager
def _stack(plan: Plan, environment: str) -> Iterator[Connection]:
    """A stack as anybody starts it, for the length of a `with` block."""
    options = ["--port", "0", "--data-dir", str(plan.directory.root), "--slots", str(plan.slots)]
    with_us = ["setpriv", "--pdeathsig", "TERM"]  # it stops even if this process is killed
    process = subprocess.Popen(
        [*with_us, sys.executable, "-m", "flotilla.cli.main", "up", "--environment", environment, *options],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        lines = [process.stdout.readline().strip().partition("=") for _ in (URL_VARIABLE, KEY_VARIABLE)]
        known = {name: value for name, _, value in lines}
        if KEY_VARIABLE not in known:
            raise StackFault("the stack did not start")
        yield Connection(url=known[URL_VARIABLE], api_key=known[KEY_VARIABLE])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _run(client: Client) -> Job:
    with open_task(TASK) as archive:
        bundle = client.upload_bundle(archive.file, content_type=archive.content_type)
    agent = {"name": "oracle"}
    return follow(client, client.create_job({"agent": agent, "runs": RUNS}, bundle_id=bundle["id"])["id"])


def _leftovers(plan: Plan) -> list[str]:
    found = left_on_host(plan.directory.root)
    engine = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    with contextlib.suppress(EngineUnavailableError):  # then it holds nothing
        found += asyncio.run(left_on_engine(engine, plan.worker_names))
    return found


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is there to be read


if __name__ == "__main__":
    sys.exit(main())
