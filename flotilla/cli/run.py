"""`flotilla run`: a task goes up, a job with its runs is asked for, and whoever waits sees them end."""
# ruff: noqa: PLC0415 - what talks HTTP, checks tasks and draws tables is loaded when it is needed: --help must be quick

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flotilla.cli.documents import Job, Order
from flotilla.cli.faults import CommandFault, ExitCode
from flotilla.states import Priority

if TYPE_CHECKING:
    from flotilla.cli.client import Client

EXIT_CODES = """
Exit codes: 0 the job was accepted, or with --wait every run of it is graded or errored; 1 the job was cancelled, or
the server failed; 2 the command or the task is wrong; 3 no server answers; 4 the key is refused; 130 interrupted
(the job goes on).
"""


def run(  # noqa: PLR0913, PLR0917 - each is an option of the command
    path: Annotated[Path, typer.Option("--path", "-p", help="The task: its directory, or a .zip or .tar.gz of it.")],
    agent: Annotated[str, typer.Option("--agent", "-a", help="Harbor's name of the agent.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="The agent's model, as PROVIDER/NAME.")] = None,
    runs: Annotated[int, typer.Option("--runs", "-k", min=1, help="How many runs of the task.")] = 1,
    agent_options: Annotated[
        list[str] | None,
        typer.Option("--ak", "--agent-kwarg", metavar="KEY=VALUE", help="An option of the agent. Repeatable."),
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="A label for jobs that belong together.")] = None,
    priority: Annotated[Priority, typer.Option(help="Which runs go first.")] = Priority.NORMAL,
    max_trials: Annotated[int, typer.Option(min=1, help="Trials a run may have when its own end in errors.")] = 1,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="NAME", help="A secret of the workers that the trials need. Repeatable."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until every run has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")] = False,
) -> None:
    """Run a task by an agent, once or many times."""
    from flotilla.cli.agent_options import parse_options
    from flotilla.cli.client import Client

    order: Order = {
        "agent": {"name": agent, "model": model, "kwargs": parse_options(agent_options or [])},
        "runs": runs,
        "priority": priority.value,
        "experiment": experiment,
        "max_trials": max_trials,
        "secrets": secret or None,  # the server knows what the agent's model needs
    }
    with Client.opened() as client:
        _report(client, _submit(client, path, order), wait=wait, as_json=as_json)


def _submit(client: "Client", path: Path, order: Order) -> Job:
    from flotilla.cli.task_archive import open_task

    with open_task(path) as archive:
        bundle = client.upload_bundle(archive.file, content_type=archive.content_type)
    return client.create_job(order, bundle_id=bundle["id"])


def _report(client: "Client", job: Job, *, wait: bool, as_json: bool) -> None:
    from flotilla.cli.report import follow, print_job, print_json

    if not as_json:
        typer.echo(job["id"])
    if wait:
        job = follow(client, job["id"])
    if as_json:
        print_json({**job, "items": list(client.runs(job["id"]))} if wait else job)
    elif wait:
        print_job(client, job)
    if wait and job["state"] == "cancelled":
        raise CommandFault(f"{job['id']} was cancelled", code=ExitCode.FAILED)
