"""`flotilla drill`: the proof that nothing is lost and nothing counts twice, on any machine."""
# ruff: noqa: PLC0415 - the stack is far more than other commands need, and is not part of the command line

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flotilla.cli.faults import CommandFault, ExitCode
from flotilla.cli.up import Environment

if TYPE_CHECKING:
    from flotilla.local.drill.options import Options
    from flotilla.local.drill.report import Report

EXIT_CODES = """Exit codes: 0 nothing was lost and nothing counted twice; 1 the promise was broken, and the verdict
says how; 2 the drill cannot be held here, or not like that; 130 it was stopped. Without an option that names a fault it
does --kill 0.3 --spot 0.1 --duplicates 0.05 --reorder --restart-database --restart-queue --kill-server --zombie."""


def drill(  # noqa: PLR0913, PLR0917 - one option for each way to break something
    runs: Annotated[int, typer.Option(min=1, help="How many runs are asked for.")] = 600,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 10,
    slots: Annotated[int, typer.Option(min=1, help="Trials at a time on each worker.")] = 60,
    environment: Annotated[
        Environment, typer.Option(help="What trials run in; auto takes Docker where an engine answers.")
    ] = "auto",
    kill: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the workers to kill: every second one is gone with its machine."),
    ] = 0.0,
    spot: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the workers that get a spot notice and are gone after it.")
    ] = 0.0,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the queue's deliveries that come again.")
    ] = 0.0,
    reorder: Annotated[bool, typer.Option("--reorder", help="The queue delivers in any order.")] = False,
    restart_database: Annotated[bool, typer.Option("--restart-database", help="Restart PostgreSQL.")] = False,
    database_outage: Annotated[
        float, typer.Option(min=0, help="Stop PostgreSQL for so many seconds while every run is under way.")
    ] = 0.0,
    restart_queue: Annotated[bool, typer.Option("--restart-queue", help="Kill the queue, messages and all.")] = False,
    kill_server: Annotated[bool, typer.Option("--kill-server", help="Kill API and pulse.")] = False,
    full_disk: Annotated[
        bool, typer.Option("--full-disk", help="Fill a worker's disk for a while (root only).")
    ] = False,
    slow_shared: Annotated[
        bool, typer.Option("--slow-shared", help="Slow a worker's writes to the shared tree for a while (by strace).")
    ] = False,
    zombie: Annotated[
        bool, typer.Option("--zombie", help="Stop a worker and its trials past the lease, then let them go on.")
    ] = False,
    seed: Annotated[int, typer.Option(help="What all chance comes from: the same seed does the same things.")] = 0,
    lease_seconds: Annotated[float, typer.Option(min=2, help="How long a lease lasts.")] = 90.0,
    longest_trial: Annotated[
        int | None, typer.Option(min=1, help="Seconds that a trial works at most; by default it suits the runs.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="An empty directory for the stack, which stays; else a temporary one."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary directory.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done, and when.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Break a stack of its own in every way while it works, then prove that nothing was lost or counted twice."""
    from rich.console import Console

    from flotilla.cli.report import print_json
    from flotilla.local.drill.options import DEFAULT_MIX, Faults, Options

    faults = Faults(
        kill=kill,
        spot=spot,
        duplicates=duplicates,
        reorder=reorder,
        restart_database=restart_database,
        database_outage=database_outage,
        restart_queue=restart_queue,
        kill_server=kill_server,
        full_disk=full_disk,
        slow_shared=slow_shared,
        zombie=zombie,
    )
    options = Options(
        runs=runs,
        workers=workers,
        slots=slots,
        seed=seed,
        faults=faults if faults != Faults() else DEFAULT_MIX,
        lease_seconds=lease_seconds,
        longest_trial=longest_trial,
    )
    if dry_run:
        _show_schedule(options)
        return
    report = _hold(options, environment=environment, data_dir=data_dir, keep=keep)
    if as_json:
        print_json(report.document())
    else:
        report.show(Console())
    if not report.verdict.kept:
        raise typer.Exit(ExitCode.FAILED)


def _show_schedule(options: "Options") -> None:
    from rich.console import Console

    from flotilla.local.drill.report import schedule_table
    from flotilla.local.drill.schedule import schedule

    Console().print(schedule_table(schedule(options)))


def _hold(options: "Options", *, environment: Environment, data_dir: Path | None, keep: bool) -> "Report":
    from flotilla.local.drill.course import hold
    from flotilla.local.drill.ground import place
    from flotilla.local.drill.plan import plan_of
    from flotilla.local.faults import StackFault
    from flotilla.local.stop_signal import StopAsked

    try:
        with place(data_dir, keep=keep) as directory:
            if keep or data_dir:
                _say(f"everything is in {directory}")
            plan = plan_of(options, directory, environment=environment, variables=os.environ)
            return hold(options, plan, say=_say)
    except StackFault as fault:
        raise CommandFault(str(fault)) from fault
    except StopAsked:
        raise CommandFault("the drill was stopped: nothing of it is left", code=ExitCode.INTERRUPTED) from None


def _say(line: str) -> None:
    typer.echo(line, err=True)
