"""A group of processes has its limits from the kernel, where this host allows control groups."""

import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.worker_agent.workplace import until
from worker_agent.control_group import ControlGroup


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    name = f"flotilla-test-{uuid.uuid4().hex}"
    made = ControlGroup.make(name, processes=10, memory_bytes=64 << 20)
    if made is None:
        pytest.skip("this host, or who we are, allows no control groups")
    yield made
    made.remove()
    assert ControlGroup.called(name).folders == {}


def in_group(group: ControlGroup, script: str) -> "subprocess.Popen[bytes]":
    """A shell that has joined the group before it carries the script out."""
    process = subprocess.Popen(["sh", "-c", f"read go; {script}"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    group.join(process.pid)
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process


def test_no_more_processes_are_started_than_it_may_have(group: ControlGroup) -> None:
    assert not group.is_full()
    with in_group(
        group, "for n in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; read on; sleep 60 & exec sleep 60"
    ) as process:
        assert process.stdin is not None
        until(group.is_full, "the group is full")
        assert group.most_processes() == 10
        assert group.refusals() == 0
        process.stdin.write(b"\n")
        process.stdin.close()
        until(lambda: group.refusals() > 0, "one more is refused")
        (folder,) = {group.folders["pids"]}
        for pid in (folder / "cgroup.procs").read_text().split():
            os.kill(int(pid), 9)
        process.wait()


def test_what_the_kernel_ends_for_memory_is_counted(group: ControlGroup) -> None:
    if "memory" not in group.folders:
        pytest.skip("this host allows no control groups of memory")
    with in_group(group, "head -c 512M /dev/zero | tail") as process:
        process.wait()
    assert group.memory_kills() >= 1


def test_the_group_of_a_running_process_is_found_and_of_no_process_none(group: ControlGroup) -> None:
    with in_group(group, "exec sleep 60") as process:
        found = ControlGroup.of(process.pid)
        process.kill()
    assert found is not None
    assert found.folders["pids"] == group.folders["pids"]
    assert ControlGroup.of(process.pid) is None
