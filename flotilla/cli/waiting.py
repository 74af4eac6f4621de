"""Staying with a job until its last run is terminal."""

import time
from collections.abc import Callable

from flotilla.cli.client import Client
from flotilla.cli.documents import Job
from flotilla.cli.faults import CommandFault, ExitCode

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 60.0  # for a server that is started again meanwhile


def wait_for(client: Client, job_id: str, *, show: Callable[[Job], None]) -> Job:
    """The job once it has ended; `show` is called at every look.

    Raises CommandFault if the server stays away, or on Ctrl-C: both times the job goes on.
    """
    heard_at = time.monotonic()
    try:
        while True:
            job = _look(client, job_id, heard_at=heard_at)
            if job is not None:
                heard_at = time.monotonic()
                show(job)
                if job["state"] != "running":
                    return job
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        fault = f"the job goes on: watch it with `flotilla job show {job_id} --wait`"
        mend = f"or end it with `flotilla job cancel {job_id}`"
        raise CommandFault(f"{fault}, {mend}", code=ExitCode.INTERRUPTED) from None


def _look(client: Client, job_id: str, *, heard_at: float) -> Job | None:
    try:
        return client.job(job_id)
    except CommandFault as fault:
        away = fault.code in (ExitCode.UNREACHABLE, ExitCode.FAILED)
        if away and time.monotonic() - heard_at < PATIENCE_SECONDS:
            return None
        raise
