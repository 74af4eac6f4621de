"""What a drill does to processes and disks: stopped whole, ended whole, filled and emptied."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotilla.local.drill.host import continue_all, kill_tree, slow_fsync, stop_tree, tree
from tests.flotilla.local.running_stack import until

FAMILY = ["sh", "-c", "sleep 600 & (sleep 600; true) & wait"]
FULL = """
import errno, sys
from pathlib import Path
from flotilla.local.drill.host import SmallDisk, private_mounts
from worker_agent.health.room import is_full, measure
root = Path(sys.argv[1])
scratch = root / "workers" / "worker-1"
private_mounts()
disk = SmallDisk(root, scratch=scratch)
(scratch / "before").write_bytes(bytes(100_000))
disk.fill()
print(is_full(measure(scratch)))
(scratch / "before").unlink()
print(is_full(measure(scratch)))
try:
    (scratch / "full").write_bytes(bytes(5 << 20))
    print("there is room")
except OSError as fault:
    print(errno.errorcode[fault.errno])
disk.empty()
print((scratch / "after").write_bytes(bytes(100_000)))
print(any("/workers/worker-1 " in line for line in open("/proc/self/mountinfo")))
disk.close()
print(str(root) in open("/proc/self/mountinfo").read())
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with two children, one of which has a child."""
    process = subprocess.Popen(FAMILY)
    until(lambda: len(tree(process.pid)) == 4, "all are born")
    yield process
    kill_tree(process.pid)
    process.wait()


def states(pids: list[int]) -> set[str]:
    return {Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


def test_a_stopped_tree_stands_still_and_goes_on(family: subprocess.Popen[bytes]) -> None:
    stopped = stop_tree(family.pid)
    assert sorted(stopped) == sorted(tree(family.pid))
    until(lambda: states(stopped) == {"T"}, "all stand still")
    continue_all(stopped)
    until(lambda: states(stopped) == {"S"}, "all go on")


def test_a_killed_tree_is_gone_whole(family: subprocess.Popen[bytes]) -> None:
    members = tree(family.pid)
    kill_tree(family.pid)
    assert family.wait() == -signal.SIGKILL
    until(lambda: not any(alive(pid) for pid in members), "none lives")


def alive(pid: int) -> bool:
    try:
        return "Z" not in states([pid])
    except FileNotFoundError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_a_small_disk_is_full_for_a_while_and_leaves_no_mount(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "True", "ENOSPC", "100000", "True", "False"]
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_an_fsync_is_slow_only_while_it_is_asked_for(tmp_path: Path) -> None:
    script = """
import os, sys, time
file = open(sys.argv[1], "w")
for line in sys.stdin:
    began = time.monotonic()
    os.fsync(file.fileno())
    print(time.monotonic() - began, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "file")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def seconds() -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("once\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    try:
        seconds()
        with slow_fsync(process.pid):
            until(lambda: "TracerPid:\t0" not in Path(f"/proc/{process.pid}/status").read_text(), "it is attached")
            assert seconds() > 1.4
        assert seconds() < 1.4
    finally:
        process.communicate()
