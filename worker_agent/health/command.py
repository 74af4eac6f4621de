"""`python -m worker_agent health [--json]`: everything that a worker needs, looked at once."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from flotilla.settings import SettingsFault, read
from worker_agent.health.checkup import checks_of, examine
from worker_agent.health.finding import EXIT_CODES, Finding, broken, worst
from worker_agent.health.report import as_document, as_text, wants_colours
from worker_agent.settings import WorkerSettings


def health(words: Sequence[str]) -> int:
    """Prints what was found; exit 0 healthy, 1 degraded, 2 broken."""
    parser = argparse.ArgumentParser(
        prog="python -m worker_agent health", description="Look at everything that a worker here needs."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    options = parser.parse_args(words)
    findings = _findings()
    coloured = wants_colours(sys.stdout, os.environ)
    sys.stdout.write(f"{as_document(findings) if options.json else as_text(findings, coloured=coloured)}\n")
    return EXIT_CODES[worst(findings)]


def _findings() -> list[Finding]:
    try:
        settings = read(os.environ, WorkerSettings)
    except SettingsFault as fault:
        seen, _, mend = str(fault).rpartition(": ")
        return [broken("settings", seen, mend=mend)]
    return asyncio.run(examine(checks_of(settings, thorough=True)))
