"""What `flotilla drill` can be told, each option with its help."""

from pathlib import Path
from typing import Annotated

import typer

from flotilla.cli.up import Environment

Runs = Annotated[int, typer.Option(min=1, help="How many runs are asked for.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")]
Slots = Annotated[int, typer.Option(min=1, help="Trials at a time on each worker.")]
TrialEnvironment = Annotated[
    Environment, typer.Option(help="What trials run in; auto takes Docker where an engine answers.")
]
Kill = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of the workers to kill: every second one is gone with its machine."),
]
Spot = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the workers that get a spot notice and are gone after it.")
]
Duplicates = Annotated[float, typer.Option(min=0, max=1, help="Share of the queue's deliveries that come again.")]
Reorder = Annotated[bool, typer.Option("--reorder", help="The queue delivers in any order.")]
RestartDatabase = Annotated[bool, typer.Option("--restart-database", help="Restart PostgreSQL.")]
DatabaseOutage = Annotated[
    float, typer.Option(min=0, help="Stop PostgreSQL for so many seconds while every run is under way.")
]
RestartQueue = Annotated[bool, typer.Option("--restart-queue", help="Kill the queue, messages and all.")]
KillServer = Annotated[bool, typer.Option("--kill-server", help="Kill API and pulse.")]
FullDisk = Annotated[bool, typer.Option("--full-disk", help="Fill a worker's disk for a while (root only).")]
SlowShared = Annotated[
    bool, typer.Option("--slow-shared", help="Slow a worker's writes to the shared tree for a while (by strace).")
]
Zombie = Annotated[
    bool, typer.Option("--zombie", help="Stop a worker and its trials past the lease, then let them go on.")
]
Seed = Annotated[int, typer.Option(help="What all chance comes from: the same seed does the same things.")]
LeaseSeconds = Annotated[float, typer.Option(min=2, help="How long a lease lasts.")]
LongestTrial = Annotated[
    int | None, typer.Option(min=1, help="Seconds that a trial works at most; by default it suits the runs.")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="An empty directory for the stack, which stays; else a temporary one."),
]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the temporary directory.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done, and when.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
