"""The archive that a worker's machine fetches."""

import tarfile
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from cdk.address_pool import DEFAULT_POOL
from cdk.worker_runtime import digest, pack_worker_runtime


@pytest.fixture
def members(tmp_path: Path) -> dict[str, tarfile.TarInfo]:
    """The archive's members by name."""
    with tarfile.open(pack_worker_runtime(tmp_path, pool=DEFAULT_POOL)) as archive:
        return {member.name: member for member in archive}


def test_it_holds_the_worker_its_locks_and_its_boot(members: dict[str, tarfile.TarInfo]) -> None:
    assert {
        "flotilla/states.py",
        "worker_agent/__main__.py",
        "requirements/worker.txt",
        "boot/provision",
        "boot/root/etc/docker/daemon.json",
        "boot/root/etc/systemd/system/flotilla-worker.service",
    } <= set(members)


def test_it_holds_nothing_that_no_worker_needs(members: dict[str, tarfile.TarInfo]) -> None:
    left_out = ("flotilla/cli/", "flotilla/local/", "api/", "lambdas/", "tests/")
    assert not [name for name in members if name.startswith(left_out) or "__pycache__" in name]


def test_scripts_may_be_executed_and_nothing_else(members: dict[str, tarfile.TarInfo]) -> None:
    executable = {name for name, member in members.items() if member.mode & 0o111}
    assert {"boot/begin", "boot/provision", "boot/bake/20-packages", "boot/boot/50-worker"} <= executable
    assert not [name for name in executable if not name.startswith("boot/")]


def test_the_same_tree_makes_the_same_bytes_and_another_pool_makes_others(tmp_path: Path) -> None:
    first = digest(pack_worker_runtime(tmp_path, pool=DEFAULT_POOL))
    assert digest(pack_worker_runtime(tmp_path, pool=DEFAULT_POOL)) == first
    other = replace(DEFAULT_POOL, base=IPv4Network("10.64.0.0/12"))
    assert digest(pack_worker_runtime(tmp_path, pool=other)) != first
