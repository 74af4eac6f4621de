"""The `flotilla` command: its nouns and verbs, and the one place where a fault becomes an exit code."""

import sys
from typing import Annotated, NoReturn

import typer

import flotilla
from flotilla.cli import job, queue, worker
from flotilla.cli.drill import EXIT_CODES as DRILL_EXIT_CODES
from flotilla.cli.drill import drill
from flotilla.cli.faults import CommandFault, ExitCode
from flotilla.cli.logs import logs
from flotilla.cli.run import EXIT_CODES, run
from flotilla.cli.up import down, up

app = typer.Typer(
    name="flotilla",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flotilla {flotilla.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run Harbor trials by the hundred, on a fleet or on this machine."""


app.command()(up)
app.command()(down)
app.command(epilog=DRILL_EXIT_CODES)(drill)
app.command(epilog=EXIT_CODES)(run)
app.command()(logs)
app.add_typer(job.app, name="job")
app.add_typer(worker.app, name="worker")
app.add_typer(queue.app, name="queue")


def main() -> NoReturn:
    """Runs a command and exits with its code."""
    try:
        app(prog_name="flotilla")
        sys.exit(ExitCode.DONE)
    except CommandFault as fault:
        for line in str(fault).splitlines():
            typer.echo(f"flotilla: {line}", err=True)
        sys.exit(fault.code)
    except BrokenPipeError:  # whoever read our output has had enough, as `head` does
        sys.stderr.close()
        sys.exit(ExitCode.DONE)


if __name__ == "__main__":
    main()
