"""One worker, from its settings to its end: made ready, registered, supervised, closed."""

import logging
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import boto3

from flotilla import __version__
from flotilla.archive import Limits
from flotilla.aws import brief_calls
from flotilla.database_secret import open_database
from flotilla.ids import new_id
from flotilla.layout import Layout
from flotilla.queue import RunQueue, sqs_client
from flotilla.store.endings import take_back_from_former
from flotilla.store.workers import NewWorker, register_worker
from flotilla.worker_group import WorkerGroup
from worker_agent.admission import Admission
from worker_agent.bundle_cache import BundleCache
from worker_agent.capacity import measure
from worker_agent.environments import Chosen, choose, environment_of
from worker_agent.equipment import Equipment
from worker_agent.health.checkup import checks_of, examine, places_of
from worker_agent.health.finding import Status, reason, worst
from worker_agent.instance_metadata import InstanceMetadata
from worker_agent.janitor import clear_leftovers, remove_docker_objects
from worker_agent.leaving import Membership
from worker_agent.secret_values import SecretValues, StageSecrets
from worker_agent.settings import WorkerSettings
from worker_agent.supervisor import Supervisor
from worker_agent.threads import DATABASE_CONNECTIONS, Threads
from worker_agent.trial import PRELOADED, REHEARSAL
from worker_agent.trial_processes import TrialProcesses
from worker_agent.watchdog import Watchdog

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "DOCKER_HOST", "DOCKER_CONFIG", "SSL_CERT_FILE")
"""The worker's variables that a trial's process gets too; everything else stays here."""

_log = logging.getLogger(__name__)


class HostBroken(Exception):
    """This host cannot carry trials out now; the message says what is broken and what mends it."""


async def work(settings: WorkerSettings) -> None:
    """One incarnation of a worker: clears up after the last one, then works until it is told to stop.

    Raises HostBroken, before the worker is counted, if no trial can be carried out here.
    """
    watchdog = Watchdog.of(os.environ)
    chosen = await choose(settings.environment, scratch=settings.scratch, environ=os.environ)
    _log.info(
        "%s with %d slots; trials run in %s: %s", settings.worker_name, settings.slots, chosen.name, chosen.reason
    )
    await clear_leftovers(settings, chosen)
    await _check(settings, chosen)
    equipment = await _equip(settings, chosen)
    await equipment.threads.database(lambda connection: register_worker(connection, _introduction(equipment, chosen)))
    taken_back = await equipment.threads.database(
        lambda connection: take_back_from_former(
            connection, worker_name=settings.worker_name, worker_id=equipment.worker_id
        )
    )
    await equipment.threads.send(lambda: equipment.send_again(taken_back))
    watchdog.ready()
    try:
        metadata = InstanceMetadata(settings.metadata_url) if settings.metadata_url else None
        await Supervisor(equipment, watchdog=watchdog, membership=_membership(settings), metadata=metadata).run()
    finally:
        watchdog.stopping()
        await equipment.processes.close()
        await remove_docker_objects(settings, chosen)
        equipment.threads.close()


async def _check(settings: WorkerSettings, chosen: Chosen) -> None:
    findings = await examine(checks_of(settings, chosen=chosen))
    for finding in findings:
        if finding.status is not Status.HEALTHY:
            _log.warning("%s is %s: %s (%s)", finding.name, finding.status, finding.seen, finding.mend)
    if worst(findings) is Status.BROKEN:
        raise HostBroken(f"no trial can be carried out here. {reason(findings)}")


async def _equip(settings: WorkerSettings, chosen: Chosen) -> Equipment:
    settings.scratch.mkdir(parents=True, exist_ok=True)
    variables = _passed_on(os.environ)
    engine = open_database(settings, pool_size=DATABASE_CONNECTIONS)
    places = await places_of(settings, chosen.docker_host)
    threads, layout = Threads(engine), Layout(settings.shared)
    client = sqs_client(endpoint_url=settings.endpoint_url, region=settings.region, access_key=settings.access_key)
    processes = await TrialProcesses.open(
        scratch=settings.scratch,
        modules=[*PRELOADED, *chosen.modules],
        environment=variables,
        rehearsal=REHEARSAL,
        most_trials=settings.nursery_trials,
    )
    return Equipment(
        worker_id=new_id("worker"),
        engine=engine,
        settings=settings,
        chosen=chosen,
        threads=threads,
        queue=RunQueue(client, urls=settings.queue_urls),
        layout=layout,
        bundles=BundleCache(settings.scratch / "bundles", layout=layout, limits=Limits(), threads=threads),
        processes=processes,
        secret_values=_secret_values(settings),
        admission=Admission(await measure(settings, docker_host=chosen.docker_host, places=places)),
        trial_variables=variables,
        build_patience=chosen.build_patience,
        environment_of=environment_of(chosen, settings),
    )


def _membership(settings: WorkerSettings) -> Membership | None:
    if settings.group is None:
        return None
    client = boto3.client("autoscaling", region_name=settings.region, config=brief_calls())
    group = WorkerGroup(client, name=settings.group)
    return Membership(group=group, instance=settings.worker_name, hook=settings.lifecycle_hook)


def _secret_values(settings: WorkerSettings) -> SecretValues:
    stage = None
    if settings.secrets_prefix is not None:
        client = boto3.client("secretsmanager", region_name=settings.region, config=brief_calls())
        stage = StageSecrets(client, prefix=settings.secrets_prefix)
    return SecretValues(file=settings.secrets_file, environment=os.environ, stage=stage)


def _passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    variables = {name: environ[name] for name in PASSED_ON if name in environ}
    # A trial has a home of its own, but Docker's plugins and registry credentials are the worker's.
    variables.setdefault("DOCKER_CONFIG", str(Path.home() / ".docker"))
    return variables


def _introduction(equipment: Equipment, chosen: Chosen) -> NewWorker:
    return NewWorker(
        id=equipment.worker_id,
        name=equipment.settings.worker_name,
        slots=equipment.settings.slots,
        environment=chosen.name,
        version=__version__,
        harbor_version=version("harbor"),
    )
