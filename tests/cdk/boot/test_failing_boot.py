"""A machine that cannot work must not stay: whatever fails in its boot powers it off, and the console says so."""

from collections.abc import Callable

import pytest

from tests.cdk.boot.doors import ROLE_PATH, Doors
from tests.cdk.boot.fresh_root import Machine


def assert_given_up(machine: Machine, output: str) -> None:
    assert "flotilla: the boot failed: this machine is powered off" in output
    assert "systemctl poweroff" in machine.notes()
    assert "systemctl start --no-block flotilla-worker.service" not in machine.notes()


@pytest.mark.parametrize("path", ["/assets/worker-runtime.tar.gz", f"{ROLE_PATH}worker-role"])
def test_a_machine_that_may_not_fetch_the_runtime_is_powered_off(
    baked: Machine, user_data: str, doors: Doors, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.delitem(doors.objects if path in doors.objects else doors.public, path)
    assert_given_up(baked, baked.begin(user_data))


def test_a_runtime_that_was_changed_on_its_way_is_not_unpacked(
    baked: Machine, user_data: str, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = baked.root / "opt/flotilla/runtime/kept"
    kept.touch()
    monkeypatch.setitem(doors.objects, "/assets/worker-runtime.tar.gz", b"something else")
    assert_given_up(baked, baked.begin(user_data))
    assert kept.exists()


@pytest.mark.parametrize("unit", ["flotilla-firewall.service", "docker.service", "mount.efs"])
def test_a_machine_on_which_something_does_not_start_is_powered_off(
    baked: Machine, user_data: str, fails: Callable[[str], None], unit: str
) -> None:
    fails(unit)
    assert_given_up(baked, baked.begin(user_data))


def test_a_machine_whose_engine_refuses_its_configuration_is_powered_off(baked: Machine, user_data: str) -> None:
    (baked.root / "usr/bin/dockerd").unlink()
    assert_given_up(baked, baked.begin(user_data))


def test_a_machine_that_cannot_get_its_packages_is_powered_off(baked: Machine, user_data: str) -> None:
    baked.run("dpkg", "--purge", "--force-depends", "docker-buildx")
    (baked.root / "etc/apt/sources.list").write_text("")
    assert_given_up(baked, baked.begin(user_data))


def test_a_machine_whose_worker_does_not_register_is_powered_off(
    baked: Machine, user_data: str, fails: Callable[[str], None]
) -> None:
    fails("flotilla-worker.service")
    assert "this machine is powered off" in baked.begin(user_data)
    assert "systemctl poweroff" in baked.notes()
    assert baked.notes().count("sleep 2") * 2 == 300
    assert [note for note in baked.notes() if note.startswith("journalctl --unit flotilla-worker.service")]
