"""`python -m worker_agent`: one worker until it is told to stop, or what a word on the command line asks for."""

import asyncio
import logging
import os
import sys

from flotilla.settings import SettingsFault, read
from worker_agent.environments import EnvironmentUnavailable
from worker_agent.health.command import health
from worker_agent.settings import WorkerSettings
from worker_agent.trial_processes import NurseryDied
from worker_agent.worker import HostBroken, work

_log = logging.getLogger("worker_agent")


def main() -> int:
    """Works, or does what the first word says (`health`).

    A worker exits with 0 when it was told to stop, 1 when it could not go on, 2 when it cannot begin.
    """
    if sys.argv[1:2] == ["health"]:
        return health(sys.argv[2:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of every look at the instance metadata
    try:
        asyncio.run(work(read(os.environ, WorkerSettings)))
    except (SettingsFault, EnvironmentUnavailable, HostBroken) as fault:
        _log.error("%s", fault)
        return 2
    except NurseryDied as fault:
        _log.error("%s", fault)
        return 1
    except Exception:
        _log.exception("the worker cannot go on")
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # a long poll that nobody waits for any more may still hold its thread
