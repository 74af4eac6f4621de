"""What was measured, as a JSON document and as Markdown that a person reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Figure, Goal, Judged, Spread, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One measure's figures, or why there are none."""

    key: str
    title: str
    figures: Sequence[Figure]
    goals: Sequence[Judged]
    remarks: Sequence[str]
    seconds: float
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the bench."""

    command: str
    finished_at: str
    machine: Mapping[str, str]
    outcomes: Sequence[Outcome]

    def document(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return {
            "command": self.command,
            "finished_at": self.finished_at,
            "machine": dict(self.machine),
            "measures": [_document(outcome) for outcome in self.outcomes],
        }

    def markdown(self) -> str:
        """All of it, for a person to read."""
        head = [f"`{self.command}`, finished {self.finished_at}, on:", ""]
        head += [f"- {name}: {value}" for name, value in self.machine.items()]
        parts = ["\n".join(head), *(_section(outcome) for outcome in self.outcomes)]
        return "\n\n".join(parts) + "\n"


def _document(outcome: Outcome) -> dict[str, Any]:
    figures = [{**asdict(figure), **asdict(figure.spread)} for figure in outcome.figures]
    goals = [
        {**asdict(judged.goal), "verdict": judged.verdict.value, "measured": judged.spread and asdict(judged.spread)}
        for judged in outcome.goals
    ]
    return {
        "key": outcome.key,
        "title": outcome.title,
        "seconds": round(outcome.seconds, 1),
        "figures": figures,
        "goals": goals,
        "remarks": list(outcome.remarks),
        "fault": outcome.fault,
    }


def _section(outcome: Outcome) -> str:
    parts = [f"### ({outcome.key}) {outcome.title}"]
    if outcome.fault is not None:
        parts.append(f"**Not measured: {outcome.fault}**")
    if outcome.figures:
        rows = [_figure_row(figure) for figure in outcome.figures]
        parts.append(_table(("side", "figure", "median", "range", "rounds"), rows))
    if outcome.goals:
        parts.append(_table(("goal", "bound", "measured", "range", "verdict"), map(_goal_row, outcome.goals)))
    if outcome.remarks:
        parts.append("\n".join(f"- {line}" for line in outcome.remarks))
    return "\n\n".join(parts)


def _figure_row(figure: Figure) -> tuple[str, ...]:
    spread = figure.spread
    measured = f"{number(spread.median)} {figure.unit}".strip()
    return figure.side, figure.name, measured, _range(spread), str(len(figure.samples))


def _goal_row(judged: Judged) -> tuple[str, ...]:
    verdict = f"**{judged.verdict.value}**" if judged.verdict is Verdict.MISSED else judged.verdict.value
    measured, spread = ("–", "–") if judged.spread is None else (number(judged.spread.median), _range(judged.spread))
    return _said(judged.goal), _bound(judged.goal), measured, spread, verdict


def _said(goal: Goal) -> str:
    ours = f"{goal.figure}: {goal.side}"
    return ours if goal.against is None else f"{ours} / {goal.against}"


def _bound(goal: Goal) -> str:
    times = "" if goal.against is None else " ×"
    bound = f"≤ {number(goal.at_most)}" if goal.at_most is not None else f"≥ {number(goal.at_least or 0.0)}"
    return bound + times


def number(value: float) -> str:
    """Three digits that count, and no more than the value has."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _range(spread: Spread) -> str:
    return f"{number(spread.low)}–{number(spread.high)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
