"""`flotilla job`: what jobs there are, how one stands, and ending it."""
# ruff: noqa: PLC0415 - what talks HTTP and draws tables is loaded when it is needed: --help must be quick

from typing import Annotated

import typer

app = typer.Typer(help="Look at jobs and cancel them.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]


@app.command()
def show(
    job_id: JobId,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until every run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a job and its runs."""
    from flotilla.cli.client import Client
    from flotilla.cli.report import follow, print_job, print_json

    with Client.opened() as client:
        job = follow(client, job_id) if wait else client.job(job_id)
        if as_json:
            print_json({**job, "items": list(client.runs(job_id))})
        else:
            print_job(client, job)


@app.command("list")
def list_jobs(
    experiment: Annotated[str | None, typer.Option(help="Only jobs with this label.")] = None,
    state: Annotated[str | None, typer.Option(help="Only jobs that are running, done or cancelled.")] = None,
    most: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from rich.console import Console

    from flotilla.cli.client import Client
    from flotilla.cli.report import print_json
    from flotilla.cli.tables import jobs_table
    from flotilla.cli.tables import show as show_table

    with Client.opened() as client:
        jobs = client.jobs(experiment=experiment, state=state, most=most)
    if as_json:
        print_json({"items": jobs})
    else:
        show_table(Console(), jobs_table(jobs))


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel what has no result yet; what runs is stopped by its worker, what has ended stays."""
    from flotilla.cli.client import Client
    from flotilla.cli.report import print_json
    from flotilla.cli.tables import summary

    with Client.opened() as client:
        job = client.cancel_job(job_id)
    if as_json:
        print_json(job)
    else:
        typer.echo(summary(job))
