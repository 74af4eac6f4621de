"""CPU seconds out of /proc."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.cpu import TICKS, machine_seconds, process_seconds, spending, tree, tree_seconds

BURN = "sum(number * number for number in range(3_000_000))"


def test_the_machines_seconds_leave_idling_out(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  1 2 4 800 1600 8 16 32 64 128\ncpu0 0 0 0 0 0 0 0 0 0 0\n")
    assert machine_seconds(proc=tmp_path) == (1 + 2 + 4 + 8 + 16 + 32) / TICKS


def test_a_tree_has_the_children_of_children_and_no_strangers(tmp_path: Path) -> None:
    for pid, parent in ((1, 0), (5, 1), (6, 5), (7, 6), (8, 1)):
        (tmp_path / str(pid)).mkdir()
        fields = ["S", str(parent), *["0"] * 9, "1", "2", "4", "8"]
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")
    assert sorted(tree(5, proc=tmp_path)) == [5, 6, 7]
    assert process_seconds(6, proc=tmp_path) == 15 / TICKS
    assert tree_seconds(5, proc=tmp_path) == pytest.approx(45 / TICKS)


def test_a_process_that_has_ended_used_nothing(tmp_path: Path) -> None:
    assert process_seconds(1, proc=tmp_path) == 0.0


def test_work_that_somebody_else_does_is_counted() -> None:
    with spending() as spent:
        subprocess.run([sys.executable, "-c", BURN], check=True)
    assert spent.cpu > 0
    assert spent.wall > 0
