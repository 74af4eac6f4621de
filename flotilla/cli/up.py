"""`flotilla up` and `flotilla down`: the whole of Flotilla on this machine, and its end."""
# ruff: noqa: PLC0415 - the stack is far more than other commands need, and is not part of the command line

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from flotilla.cli.connection import KEY_VARIABLE, URL_VARIABLE, Connection, default_data_directory
from flotilla.cli.faults import CommandFault

Environment = Literal["auto", "docker", "sandbox"]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where all state lives; /var/lib/flotilla for root, else ~/.local/share/flotilla."),
]


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The API's port; 0 takes a free one.")] = 8080,
    data_dir: DataDir = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 1,
    slots: Annotated[int, typer.Option(min=1, help="Trials at a time on each worker.")] = 60,
    environment: Annotated[
        Environment, typer.Option(help="What trials run in; auto takes Docker where an engine answers.")
    ] = "auto",
    secrets_file: Annotated[
        Path | None, typer.Option(help="NAME=value lines, for jobs that name secrets; else the environment is asked.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it is ready; `down` stops it.")] = False,
) -> None:
    """Run all of Flotilla on this machine until Ctrl-C: database, queue, API and workers."""
    from flotilla.local.data_directory import DataDirectory
    from flotilla.local.detached import start_detached
    from flotilla.local.faults import StackFault
    from flotilla.local.plan import Plan
    from flotilla.local.supervisor import run

    plan = Plan(
        directory=DataDirectory(data_dir or _default()),
        port=port,
        workers=workers,
        slots=slots,
        environment=environment,
        secrets_file=secrets_file,
        variables=dict(os.environ),
    )
    try:
        if detach:
            _print(start_detached(plan, say=_say))
        else:
            run(plan, say=_say, ready=_print)
    except StackFault as fault:
        raise CommandFault(str(fault)) from fault


def down(data_dir: DataDir = None) -> None:
    """Stop the stack that runs on a data directory."""
    from flotilla.local.data_directory import DataDirectory
    from flotilla.local.detached import stop_detached
    from flotilla.local.faults import StackFault

    try:
        stop_detached(DataDirectory(data_dir or _default()), say=_say)
    except StackFault as fault:
        raise CommandFault(str(fault)) from fault


def _default() -> Path:
    return default_data_directory(os.environ, root=os.geteuid() == 0)


def _print(connection: Connection) -> None:
    typer.echo(f"{URL_VARIABLE}={connection.url}\n{KEY_VARIABLE}={connection.api_key}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
