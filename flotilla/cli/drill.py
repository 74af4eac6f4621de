"""`flotilla drill`: the proof that nothing is lost and nothing counts twice, on any machine."""
# ruff: noqa: PLC0415 - the stack is far more than other commands need, and is not part of the command line

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flotilla.cli import drill_options as told
from flotilla.cli.faults import CommandFault, ExitCode
from flotilla.cli.up import Environment

if TYPE_CHECKING:
    from flotilla.local.drill.options import Options
    from flotilla.local.drill.report import Report

EXIT_CODES = """Exit codes: 0 nothing was lost and nothing counted twice; 1 the promise was broken, and the verdict
says how; 2 the drill cannot be held here, or not like that; 130 it was stopped. Without an option that names a fault it
does --kill 0.3 --spot 0.1 --duplicates 0.05 --reorder --restart-database --restart-queue --kill-server --zombie."""


def drill(  # noqa: PLR0913, PLR0917 - one option for each way to break something
    runs: told.Runs = 600,
    workers: told.Workers = 10,
    slots: told.Slots = 60,
    environment: told.TrialEnvironment = "auto",
    kill: told.Kill = 0.0,
    spot: told.Spot = 0.0,
    duplicates: told.Duplicates = 0.0,
    reorder: told.Reorder = False,
    restart_database: told.RestartDatabase = False,
    database_outage: told.DatabaseOutage = 0.0,
    restart_queue: told.RestartQueue = False,
    kill_server: told.KillServer = False,
    full_disk: told.FullDisk = False,
    slow_shared: told.SlowShared = False,
    zombie: told.Zombie = False,
    seed: told.Seed = 0,
    lease_seconds: told.LeaseSeconds = 90.0,
    longest_trial: told.LongestTrial = None,
    data_dir: told.DataDir = None,
    keep: told.Keep = False,
    dry_run: told.DryRun = False,
    as_json: told.AsJson = False,
) -> None:
    """Break a stack of its own in every way while it works, then prove that nothing was lost or counted twice."""
    from flotilla.local.drill.options import DEFAULT_MIX, Faults, Options

    faults = Faults(
        kill=kill, spot=spot, duplicates=duplicates, reorder=reorder, restart_database=restart_database,
        database_outage=database_outage, restart_queue=restart_queue, kill_server=kill_server, full_disk=full_disk,
        slow_shared=slow_shared, zombie=zombie,
    )  # fmt: skip
    options = Options(
        runs=runs, workers=workers, slots=slots, seed=seed, faults=faults if faults != Faults() else DEFAULT_MIX,
        lease_seconds=lease_seconds, longest_trial=longest_trial,
    )  # fmt: skip
    if dry_run:
        _show_schedule(options)
    else:
        _show(_hold(options, environment=environment, data_dir=data_dir, keep=keep), as_json=as_json)


def _show(report: "Report", *, as_json: bool) -> None:
    from rich.console import Console

    from flotilla.cli.report import print_json

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
