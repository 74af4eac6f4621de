"""`flotilla queue`: what waits in the queues, and bringing back what died there."""
# ruff: noqa: PLC0415 - what talks HTTP and draws tables is loaded when it is needed: --help must be quick

from typing import TYPE_CHECKING, Annotated

import typer

from flotilla.states import Priority

if TYPE_CHECKING:
    from flotilla.cli.client import Client
    from flotilla.cli.documents import Redriven

app = typer.Typer(help="Look at the queues, and bring back what died there.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]


@app.command("list")
def list_queues(as_json: AsJson = False) -> None:
    """List the queues with what waits, what workers have, and what was received too often."""
    from rich.console import Console

    from flotilla.cli.client import Client
    from flotilla.cli.report import print_json
    from flotilla.cli.tables import queues_table, show

    with Client.opened() as client:
        queues = client.queues()
    if as_json:
        print_json({"items": queues})
    else:
        show(Console(), queues_table(queues))


@app.command()
def redrive(
    priority: Annotated[
        Priority | None, typer.Option(help="Only the queue of this priority.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring dead letters back to their queue, once what they died of is mended.

    Runs that ended meanwhile stay as they are: their letters go.
    """
    from rich.console import Console

    from flotilla.cli.client import Client
    from flotilla.cli.report import print_json
    from flotilla.cli.tables import redriven_table, show

    with Client.opened() as client:
        redriven = _all_redriven(client, priority)
    if as_json:
        print_json({"items": redriven})
    else:
        show(Console(), redriven_table(redriven))


def _all_redriven(client: "Client", priority: Priority | None) -> "list[Redriven]":
    """Asks as long as letters remain and are brought back; the sums."""
    total = client.redrive(priority)
    last = total
    while any(one["remaining"] and one["moved"] + one["left_alone"] for one in last):
        last = client.redrive(priority)
        total = [_sum(before, now) for before, now in zip(total, last, strict=True)]
    return total


def _sum(before: "Redriven", now: "Redriven") -> "Redriven":
    return {
        "priority": now["priority"],
        "moved": before["moved"] + now["moved"],
        "left_alone": before["left_alone"] + now["left_alone"],
        "unreadable": before["unreadable"] + now["unreadable"],
        "remaining": now["remaining"],
    }
