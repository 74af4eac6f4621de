"""The Celery application. It runs in an environment of its own (`.cache/celery`), and imports nothing of ours."""

import os
import subprocess
import time

from celery import Celery

REDIS = os.environ["BENCH_REDIS"]

app = Celery("old_way", broker=REDIS, backend=REDIS)
app.conf.worker_prefetch_multiplier = 1  # a process takes the next run when it has ended the last
app.conf.broker_connection_retry_on_startup = True


@app.task  # type: ignore[untyped-decorator]
def run_command(command: list[str], log: str) -> int:
    """Runs a command to its end; its exit code."""
    with open(log, "wb") as output:  # noqa: PTH123 - as short as the old way would have it
        return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode


@app.task  # type: ignore[untyped-decorator]
def moment() -> float:
    """The time at which it was run: what a queue and nothing else takes."""
    return time.time()
