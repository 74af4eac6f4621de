"""What a drill comes to: tables for people, one document for machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from flotilla.local.drill.injuries import Done
from flotilla.local.drill.options import Options
from flotilla.local.drill.schedule import Injury
from flotilla.local.drill.verdict import Verdict

HOW_RECOVERY_IS_MEASURED = (
    "Recovery: from the loss of a trial (its worker killed or stopped; given back, if preempted) to the start of its"
    " run's next trial, counting only the time while a slot was free on a working worker and the database answered."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A drill that was held: what was done, what was left out and why, what it came to, what it took."""

    options: Options
    environment: str
    done: Sequence[Done]
    left_out: Sequence[str]
    verdict: Verdict
    began_at: float
    seconds: float
    cpu_seconds: float

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "kept": self.verdict.kept,
            "options": asdict(self.options),
            "environment": self.environment,
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "verdict": [
                {"name": row.name, "value": row.value, "breaches": list(row.breaches)} for row in self.verdict.rows
            ],
            "injuries": [
                {"at": round(done.at - self.began_at, 1), "worker": done.worker, "running": done.running}
                | {"kind": done.injury.kind.value, "progress": done.injury.progress, "seconds": done.injury.seconds}
                for done in self.done
            ],
            "left_out": list(self.left_out),
        }

    def show(self, console: Console) -> None:
        """The injuries, then the verdict."""
        console.print(self._injuries())
        for sentence in self.left_out:
            console.print(f"left out: {sentence}", style="yellow", markup=False, highlight=False)
        console.print(self._verdict())
        console.print(HOW_RECOVERY_IS_MEASURED, style="dim")
        word = "nothing is lost, nothing counts twice" if self.verdict.kept else "THE PROMISE IS BROKEN"
        style = "bold green" if self.verdict.kept else "bold red"
        took = f"{self.seconds:.0f} s, {self.cpu_seconds:.0f} s of CPU"
        console.print(f"{word}: seed {self.options.seed}, {took}", style=style, highlight=False)

    def _injuries(self) -> Table:
        table = _table("after", "injury", "worker", "trials running", "for")
        for done in self.done:
            lasted = f"{done.injury.seconds:.1f} s" if done.injury.seconds else ""
            after = f"{done.at - self.began_at:.1f} s"
            table.add_row(after, done.injury.kind.value, done.worker or "", str(done.running), lasted)
        faults = self.options.faults
        if faults.duplicates:
            table.add_row("always", f"{faults.duplicates:.0%} of deliveries come again", "", "", "")
        if faults.reorder:
            table.add_row("always", "deliveries in any order", "", "", "")
        return table

    def _verdict(self) -> Table:
        table = _table("verdict", "", "breaches")
        for row in self.verdict.rows:
            style = "red" if row.breaches else "green"
            table.add_row(row.name, row.value, "\n".join(row.told), style=style)
        return table


def schedule_table(injuries: Sequence[Injury]) -> Table:
    """What a drill with these options will do."""
    table = _table("progress", "injury", "seat", "for")
    for injury in injuries:
        seat = "" if injury.seat is None else str(injury.seat)
        lasts = f"{injury.seconds:.1f} s" if injury.seconds else ""
        table.add_row(f"{injury.progress:.1%}", injury.kind.value, seat, lasts)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in ("after", "trials running") else "left")
    return table
