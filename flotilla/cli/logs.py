"""`flotilla logs`: what a run's trial wrote, so far or as it grows."""
# ruff: noqa: PLC0415 - what talks HTTP is loaded when it is needed: --help must be quick

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flotilla.cli.faults import CommandFault, ExitCode

if TYPE_CHECKING:
    from flotilla.cli.client import Client
    from flotilla.cli.events import Event

RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 60.0  # for a server that is started again meanwhile

StreamName = Literal["trial", "agent", "verifier"]


def logs(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or JOB/NUMBER.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows, until the run ends.")] = False,
    stream: Annotated[StreamName, typer.Option(help="Harbor's own log, the agent's, or the tests'.")] = "trial",
) -> None:
    """Print the log of a run's latest trial."""
    from flotilla.cli.client import Client

    with Client.opened() as client:
        run_id = client.find_run(run)
        if follow:
            _follow(client, run_id, stream)
            return
        for part in client.log(run_id, stream=stream):
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


def _follow(client: "Client", run_id: str, stream: StreamName) -> None:
    """Prints until the run has ended. A stream that breaks off is taken up where it was."""
    seen: str | None = None
    heard_at = time.monotonic()
    try:
        while True:
            try:
                for event in client.log_events(run_id, stream=stream, after=seen):
                    heard_at = time.monotonic()
                    seen = event.id or seen
                    if _print(event):
                        return
            except CommandFault as fault:
                away = fault.code in (ExitCode.UNREACHABLE, ExitCode.FAILED)
                if not away or time.monotonic() - heard_at > PATIENCE_SECONDS:
                    raise
            time.sleep(RETRY_SECONDS)
    except KeyboardInterrupt:
        raise CommandFault("stopped reading; the run goes on", code=ExitCode.INTERRUPTED) from None


def _print(event: "Event") -> bool:
    """Prints a line, or what the server tells about the run; says whether that was the end."""
    if event.kind == "message":
        sys.stdout.write(event.data + "\n")
        sys.stdout.flush()
        return False
    told = json.loads(event.data)
    if event.kind == "trial":
        typer.echo(f"── {told['trial']}", err=True)
        return False
    reason = f" ({told['cause']})" if told["cause"] else ""
    reward = "" if told["reward"] is None else f", reward {told['reward']:.4g}"
    typer.echo(f"── the run is {told['state']}{reason}{reward}", err=True)
    return True
