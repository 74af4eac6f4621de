"""A worker's processes are told apart by their command lines and parents."""

from pathlib import Path

import pytest

from bench.faults import BenchFault
from bench.worker_processes import WorkerProcesses, pss_megabytes

UP = ["python", "-m", "flotilla.cli.main", "up"]
SUPERVISOR = ["python", "-m", "worker_agent"]
NURSERY = ["python", "-m", "worker_agent.nursery", "--scratch", "/s"]
CLIENT = ["/usr/bin/docker", "compose", "up"]


def _proc(place: Path, *processes: tuple[int, int, list[str]]) -> Path:
    for pid, parent, words in processes:
        (place / str(pid)).mkdir()
        (place / str(pid) / "stat").write_text(f"{pid} (python) S {parent} {' '.join(['0'] * 20)}\n")
        (place / str(pid) / "cmdline").write_text("".join(f"{word}\0" for word in words))
    return place


def test_trials_are_the_children_of_the_fork_server(tmp_path: Path) -> None:
    stack = [(1, 0, UP), (2, 1, SUPERVISOR), (3, 2, NURSERY), (4, 3, NURSERY), (5, 3, NURSERY), (6, 5, CLIENT)]
    stranger = (7, 0, CLIENT)
    found = WorkerProcesses.of(1, proc=_proc(tmp_path, *stack, stranger))
    assert (found.supervisor, found.nursery, sorted(found.trials)) == (2, 3, [4, 5])
    assert found.engine_clients == 1


def test_two_workers_are_not_taken_for_one(tmp_path: Path) -> None:
    stack = [(1, 0, UP), (2, 1, SUPERVISOR), (3, 2, NURSERY), (4, 1, SUPERVISOR), (5, 4, NURSERY)]
    with pytest.raises(BenchFault, match="one worker"):
        WorkerProcesses.of(1, proc=_proc(tmp_path, *stack))


def test_memory_is_the_kernels_figure(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "smaps_rollup").write_text("55-7f ---p 0 00:00 0 [rollup]\nRss: 9000 kB\nPss: 2048 kB\n")
    assert pss_megabytes(1, proc=tmp_path) == 2
