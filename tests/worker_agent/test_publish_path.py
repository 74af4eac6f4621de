"""A worker that dies anywhere between a trial's end and the slot's: the run ends once, and what is seen is complete.

Each point is a real worker with a real Harbor trial in a sandbox. It kills itself at a line of the publish path; the
runs are then finished by a worker that is left alone.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.worker_agent.victims import Victims, with_victims
from tests.worker_agent.visible_results import watched
from tests.worker_agent.workplace import Workplace, until

POINTS = 50
REAL = 5
"""Of the points, those whose trial Harbor really runs; the others' trials leave what a real one has left."""
SEED = 20261


def _let_through(workplace: Workplace, *, left: Path | None = None) -> tuple[int, Path]:
    """How many lines a publication has, and what a trial leaves: one worker is let through to the end."""
    job_id = workplace.submit()
    end = with_victims(workplace, lambda victims: victims.run(f"let-through-{job_id}", left=left))
    [run] = workplace.runs(job_id)
    return int(end.split()[0]), workplace.layout.root / run["trials"][0]["path"]


def _kill(workplace: Workplace, points: Sequence[int], *, left: Path) -> list[str]:
    """One worker a point; where each died."""

    async def kill(victims: Victims) -> list[str]:
        names = [f"victim-{number}" for number in range(POINTS)]
        lefts = [None if number < REAL else left for number in range(POINTS)]
        each = zip(names, points, lefts, strict=True)
        return await asyncio.gather(*(victims.run(name, at=at, left=left) for name, at, left in each))

    return with_victims(workplace, kill)


@pytest.mark.timeout(240)
def test_a_worker_killed_anywhere_in_the_publish_path_costs_no_run_and_shows_no_half_result(
    workplace: Workplace,
) -> None:
    with workplace.beating():
        real, left = _let_through(workplace)
        prefabricated, _ = _let_through(workplace, left=left)
        lines = range(1, min(real, prefabricated))
        points = random.Random(SEED).sample(lines, POINTS)  # noqa: S311 - the seed is the point
        job_id = workplace.submit(runs=POINTS)
        with watched(workplace, job_id) as reader:
            places = _kill(workplace, points, left=left)
            graded_by_the_dead = workplace.counts(job_id)["graded"]
            with workplace.worker("survivor", slots=8):
                until(lambda: workplace.counts(job_id)["graded"] == POINTS, "every run has ended")
    trials = [trial for run in workplace.runs(job_id) for trial in run["trials"]]
    assert {run: faults for run, faults in reader.seen.items() if faults} == {}, places
    assert len(reader.seen) == POINTS
    assert Counter(trial["state"] for trial in trials)["graded"] == POINTS
    assert {trial["state"] for trial in trials} == {"graded", "lost"}, "some died before the ending was written"
    assert graded_by_the_dead > 0, "some died after the ending was written"
    assert all((workplace.layout.root / trial["path"]).is_dir() for trial in trials), "evidence is missing"
