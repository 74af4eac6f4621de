"""What a checkup found, for people and for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TextIO

from worker_agent.health.finding import Finding, Status, worst

COLOURS = {Status.HEALTHY: "\x1b[32m", Status.DEGRADED: "\x1b[33m", Status.BROKEN: "\x1b[31m"}
PLAIN = "\x1b[0m"


def as_text(findings: Sequence[Finding], *, coloured: bool) -> str:
    """A line a check, the mend under what needs one, and the worst of it all last."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_word(finding.status, coloured=coloured)}  {finding.name:<{width}}  {finding.seen}")
        if finding.mend:
            lines.append(f"{'':<8}  {'':<{width}}  → {finding.mend}")
    lines.append(f"This worker is {_word(worst(findings), coloured=coloured).rstrip()}.")
    return "\n".join(lines)


def as_document(findings: Sequence[Finding]) -> str:
    """One JSON document."""
    return json.dumps({"status": worst(findings), "checks": [asdict(finding) for finding in findings]}, indent=2)


def wants_colours(output: TextIO, environ: Mapping[str, str]) -> bool:
    """Only on a terminal, and never where NO_COLOR is set."""
    return output.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _word(status: Status, *, coloured: bool) -> str:
    word = f"{status:<8}"
    return f"{COLOURS[status]}{word}{PLAIN}" if coloured else word
