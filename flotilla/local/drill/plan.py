"""The stack that a drill needs."""

from collections.abc import Mapping
from pathlib import Path

from flotilla.local.data_directory import DataDirectory
from flotilla.local.drill.options import Options
from flotilla.local.plan import Plan

WORKER_MODULE_VARIABLE = "FLOTILLA_DRILL_WORKER"
"""Names another module to run as the worker: so that a test can see a broken build fail the drill."""


def plan_of(options: Options, directory: Path, *, environment: str, variables: Mapping[str, str]) -> Plan:
    """A plan with the drill's lease and a queue that does what is asked of it."""
    faults = options.faults
    queue = ["--seed", str(options.seed)]
    queue += ["--duplicate", str(faults.duplicates)] if faults.duplicates else []
    queue += ["--reorder"] if faults.reorder else []
    return Plan(
        directory=DataDirectory(directory),
        port=0,
        workers=options.workers,
        slots=options.slots,
        environment=environment,
        secrets_file=None,
        variables={**variables, "FLOTILLA_LEASE_SECONDS": f"{options.lease_seconds:g}"},
        worker_module=variables.get(WORKER_MODULE_VARIABLE, "worker_agent"),
        queue_options=queue,
    )
