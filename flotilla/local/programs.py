"""The programs of a local stack, each with the variables that it is given and no others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flotilla.local.children import SOURCE, Program
from flotilla.local.plan import Plan
from flotilla.local.queues import REGION, queue_options, queue_urls
from flotilla.local.sqs.__main__ import ACCESS_KEY_VARIABLE
from flotilla.states import Priority
from worker_agent.settings import CPU_OVERCOMMIT

_PLAIN = (  # nothing secret among them
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "FLOTILLA_LEASE_SECONDS", "FLOTILLA_ALLOW_HOST_ACCESS",
)  # fmt: skip
_WORKER_STOP_SECONDS = 60.0  # it gives back at once, but the engine may be slow to take sixty containers down


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the running parts are; the queue answers only those who know its key."""

    database_url: str
    queue_endpoint: str
    queue_key: str = field(repr=False)


def queue_program(plan: Plan, *, port: int, key: str) -> Program:
    """The SQS endpoint, on one port for as long as the stack lives, for callers with the key.

    A task in a sandbox may share this host's loopback.
    """
    return Program(
        name="queue",
        arguments=["-m", "flotilla.local.sqs", "--port", str(port), *queue_options(), *plan.queue_options],
        environment=_plain(plan) | {ACCESS_KEY_VARIABLE: key},
        log=plan.directory.log("queue"),
    )


def server_program(plan: Plan, *, addresses: Addresses, listener: int) -> Program:
    """The API and the pulse, on a socket that the stack holds open: a restart refuses no client."""
    return Program(
        name="server",
        arguments=["-m", "flotilla.local.server", "--descriptor", str(listener)],
        environment=_plain(plan) | _reach(plan, addresses),
        log=plan.directory.log("server"),
        descriptors=[listener],
    )


def worker_program(plan: Plan, *, name: str, addresses: Addresses) -> Program:
    """A worker, with the stack's own environment: that is where it takes the secrets from which a job names."""
    own = {
        "FLOTILLA_WORKER_NAME": name,
        "FLOTILLA_SLOTS": str(plan.slots),
        "FLOTILLA_ENVIRONMENT": plan.environment,
        "FLOTILLA_SCRATCH": str(plan.directory.worker_scratch(name)),
        "FLOTILLA_GOVERNOR": str(plan.directory.governor),
        "FLOTILLA_HIDDEN": os.pathsep.join(str(path) for path in _hidden(plan)),
        "FLOTILLA_DRAIN_SECONDS": "0",  # whoever stops a local stack does not wait for its trials
    }
    if plan.secrets_file is not None:
        own["FLOTILLA_SECRETS_FILE"] = str(plan.secrets_file.resolve())
    return Program(
        name=name,
        arguments=["-m", plan.worker_module],
        environment={"FLOTILLA_CPU_OVERCOMMIT": _cpu_overcommit(plan)}
        | dict(plan.variables)
        | _plain(plan)
        | _reach(plan, addresses)
        | own
        | dict(plan.variables_of(name)),
        log=plan.directory.log(name),
        stop_seconds=_WORKER_STOP_SECONDS,
    )


def _cpu_overcommit(plan: Plan) -> str:
    """Whoever asks for so many slots on one machine gets them, however few CPUs it has; each trial's row says so."""
    return f"{max(CPU_OVERCOMMIT, plan.slots / len(os.sched_getaffinity(0))):g}"


def _plain(plan: Plan) -> dict[str, str]:
    return {name: plan.variables[name] for name in _PLAIN if name in plan.variables} | {"PYTHONUNBUFFERED": "1"}


def _reach(plan: Plan, addresses: Addresses) -> dict[str, str]:
    urls: Mapping[Priority, str] = queue_urls(addresses.queue_endpoint)
    return {
        "FLOTILLA_DATABASE_URL": addresses.database_url,
        "FLOTILLA_QUEUE_URL": urls[Priority.NORMAL],
        "FLOTILLA_QUEUE_HIGH_URL": urls[Priority.HIGH],
        "FLOTILLA_SHARED": str(plan.directory.shared),
        "AWS_ENDPOINT_URL": addresses.queue_endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": addresses.queue_key,
        "AWS_SECRET_ACCESS_KEY": "not checked",
    }


def _hidden(plan: Plan) -> list[Path]:
    """What no sandboxed task may see: everybody's files, keys and results, and the code that judges it."""
    hidden = [plan.directory.root.resolve(), SOURCE]
    return hidden if plan.secrets_file is None else [*hidden, plan.secrets_file.resolve()]
