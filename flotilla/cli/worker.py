"""`flotilla worker`: who does the work."""
# ruff: noqa: PLC0415 - what talks HTTP and draws tables is loaded when it is needed: --help must be quick

from typing import Annotated

import typer

app = typer.Typer(help="Look at workers.", no_args_is_help=True)


@app.callback()
def worker() -> None:
    """Look at workers."""


@app.command("list")
def list_workers(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")] = False,
) -> None:
    """List the workers that live."""
    from rich.console import Console

    from flotilla.cli.client import Client
    from flotilla.cli.report import print_json
    from flotilla.cli.tables import show, workers_table

    with Client.opened() as client:
        workers = client.workers()
    if as_json:
        print_json({"items": workers})
    else:
        show(Console(), workers_table(workers))
