"""The line that shows how a job is doing."""

import io
from typing import cast

import pytest
from rich.console import Console

from flotilla.cli.documents import Job
from flotilla.cli.progress import clock, describe, progress


def job(state: str = "running", mean_reward: float | None = None, **counts: int) -> Job:
    known = dict.fromkeys(["pending", "queued", "running", "graded", "errored", "cancelled"], 0) | counts
    return cast(
        Job, {"id": "job_1", "state": state, "counts": known, "runs": sum(counts.values()), "mean_reward": mean_reward}
    )


def test_the_line_says_how_much_is_done_and_what_the_rest_is_doing() -> None:
    line = describe(job(graded=4, running=2, queued=4, mean_reward=0.5), seconds=75)
    standing = "4 queued, 2 running, 4 graded, mean reward 0.5"
    assert line == f"job_1  ████████░░░░░░░░░░░░  4/10 ended: {standing}  1:15"


@pytest.mark.parametrize(("seconds", "shown"), [(0.9, "0:00"), (61, "1:01"), (3_725, "1:02:05")])
def test_time_is_shown_as_on_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_without_a_terminal_a_line_is_said_at_once_and_at_the_end_but_not_at_every_look() -> None:
    file = io.StringIO()
    with progress(Console(file=file)) as show:
        for graded in range(3):
            show(job(running=3 - graded, graded=graded))
        show(job("done", graded=3, mean_reward=1.0))
    lines = file.getvalue().splitlines()
    assert ["0/3" in lines[0], "3/3" in lines[-1], len(lines)] == [True, True, 2]


def test_on_a_terminal_the_line_is_redrawn_in_place() -> None:
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=True, width=200)) as show:
        show(job(graded=1))
    assert "\x1b[" in file.getvalue()
