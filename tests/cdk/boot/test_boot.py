"""A worker's machine boots for real, in a fresh root of its release: only what AWS alone has is stood in for."""

import json
import re
from pathlib import Path

import pytest

from cdk.address_pool import DEFAULT_POOL
from tests.cdk.boot.booted import Booted
from tests.cdk.boot.efs_repository import WANTED
from tests.cdk.boot.fresh_root import Machine

SHARED = "/shared/harbor-jobs"


def test_cloud_init_of_the_image_finds_no_fault_in_the_user_data(booted: Booted) -> None:
    shown = booted.machine.run("cloud-init", "schema", "--config-file", "/var/lib/cloud/seed/nocloud/user-data")
    assert "Valid schema" in shown


def test_a_fresh_machine_comes_to_work(booted: Booted) -> None:
    assert "flotilla: the worker works" in booted.output, booted.output[-5000:]
    assert "systemctl start --no-block flotilla-worker.service" in booted.machine.notes()
    assert not [note for note in booted.machine.notes() if "poweroff" in note]


def test_each_program_that_a_worker_needs_is_there(booted: Booted) -> None:
    machine = booted.machine
    for program in ("dockerd", "docker", "nft", "mount.nfs4", "mount.efs"):
        machine.run("sh", "-c", f"command -v {program}")
    assert "Docker Compose version 2" in machine.run("docker", "compose", "version")
    assert "buildx" in machine.run("docker", "buildx", "version")


def test_the_client_of_the_file_system_comes_from_a_signed_repository_and_stays_in_its_major_version(
    booted: Booted,
) -> None:
    assert booted.machine.run("dpkg-query", "--show", "--showformat=${Version}", "amazon-efs-utils") == WANTED
    assert "signed-by=" in booted.machine.text("/etc/apt/sources.list.d/efs-utils.list")


def test_the_worker_of_the_runtime_starts_and_asks_for_its_settings(booted: Booted) -> None:
    script = 'cd /var; /opt/flotilla/python/bin/python -m worker_agent 2>&1 || [ "$?" = 2 ]'
    shown = booted.machine.run("sh", "-c", script)
    assert "FLOTILLA_QUEUE_URL is not set" in shown


def test_nothing_was_started_before_it_was_configured(booted: Booted) -> None:
    assert booted.machine.text("/usr/sbin/policy-rc.d") == ""
    notes = booted.machine.notes()
    restarts = [note for note in notes if note.startswith("systemctl restart")]
    assert restarts == ["systemctl restart flotilla-firewall.service", "systemctl restart docker.service"]
    assert notes.index(restarts[-1]) < notes.index("systemctl start --no-block flotilla-worker.service")


def test_the_engine_of_the_image_accepts_its_configuration(booted: Booted) -> None:
    booted.machine.run("dockerd", "--validate", "--config-file", "/etc/docker/daemon.json")
    daemon = json.loads(booted.machine.text("/etc/docker/daemon.json"))
    assert daemon["default-address-pools"] == [{"base": str(DEFAULT_POOL.base), "size": DEFAULT_POOL.network_prefix}]
    assert daemon["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert daemon["live-restore"] is True


def test_the_file_system_is_mounted_over_tls_as_the_instances_role_through_the_access_point(booted: Booted) -> None:
    (call,) = [note for note in booted.machine.notes() if note.startswith("mount.efs")]
    options = call.partition(" -o ")[2].split(",")
    assert call.startswith(f"mount.efs fs-0123456789abcdef0:/ {SHARED} ")
    assert {"tls", "iam", "accesspoint=fsap-0123456789abcdef0"} <= set(options)
    assert f"fs-0123456789abcdef0:/ {SHARED} efs _netdev," in booted.machine.text("/etc/fstab")


def test_the_worker_is_told_its_name_and_region_in_a_file_that_root_alone_reads(booted: Booted) -> None:
    file = booted.machine.root / "etc/flotilla/worker.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().splitlines() == [
        "FLOTILLA_SLOTS='60'",
        "FLOTILLA_QUEUE_URL='https://sqs.example/runs'",
        "FLOTILLA_WORKER_NAME='i-0123456789abcdef0'",
        "AWS_REGION='eu-central-1'",
    ]


def test_the_kernel_knows_every_limit_that_is_raised_and_none_is_below_its_default(booted: Booted) -> None:
    lines = booted.machine.text("/etc/sysctl.d/90-flotilla.conf").splitlines()
    limits = dict(line.split(" = ") for line in lines if "=" in line)
    assert limits["fs.inotify.max_user_instances"] == "8192"
    assert limits["fs.inotify.max_user_watches"] == "1048576"
    assert limits["kernel.pid_max"] == "4194304"
    for name, value in limits.items():
        assert int(value) >= int(Path("/proc/sys", *name.split(".")).read_text()), name
    assert "sysctl --quiet --load /etc/sysctl.d/90-flotilla.conf" in booted.machine.notes()


@pytest.mark.parametrize("unit", ["flotilla-worker.service", "flotilla-firewall.service", "docker.service"])
def test_systemd_finds_no_fault_in_a_unit(booted: Booted, unit: str) -> None:
    shown = booted.machine.run("sh", "-c", f"/usr/bin/systemd-analyze verify --man=no {unit} 2>&1")
    assert shown == ""


def test_the_unit_of_the_worker_says_what_the_design_says(booted: Booted) -> None:
    unit = booted.machine.text("/etc/systemd/system/flotilla-worker.service").splitlines()
    promised = {
        "Type=notify",
        "WatchdogSec=60",
        "KillMode=control-group",
        "OOMScoreAdjust=-1000",
        "Restart=on-failure",
        "TimeoutStopSec=300",
        "StartLimitAction=poweroff",
        "EnvironmentFile=/etc/flotilla/worker.env",
    }
    assert promised <= set(unit)


@pytest.mark.parametrize("unit", ["flotilla-worker.service", "docker.service.d/flotilla.conf"])
def test_sixty_busy_containers_leave_worker_and_engine_an_eighth_of_the_processors_each(
    booted: Booted, unit: str
) -> None:
    """The engine gives each container a group with the usual weight of 100, beside these two."""
    lines = booted.machine.text(f"/etc/systemd/system/{unit}").splitlines()
    [weight] = [int(line.removeprefix("CPUWeight=")) for line in lines if line.startswith("CPUWeight=")]
    assert weight >= (weight + weight + 60 * 100) / 8


def test_a_worker_is_started_for_ten_minutes_before_its_machine_is_given_up(booted: Booted) -> None:
    unit = booted.machine.text("/etc/systemd/system/flotilla-worker.service").splitlines()
    figures = {name: int(number) for name, _, number in (line.partition("=") for line in unit) if number.isdigit()}
    tried_for = figures["StartLimitBurst"] * figures["RestartSec"]
    assert 600 <= tried_for < figures["StartLimitIntervalSec"]


def test_a_baked_machine_fetches_no_package(baked: Machine, user_data: str) -> None:
    stamp = baked.root / "opt/flotilla/python/locks"
    (baked.root / "etc/apt/sources.list").write_text("")  # whoever asks an archive now gets no answer
    before = stamp.stat().st_mtime_ns
    output = baked.begin(user_data)
    seconds = re.search(r"the worker works, (\d+) s", output)
    assert seconds is not None, output[-3000:]
    assert int(seconds[1]) < 30
    assert stamp.stat().st_mtime_ns == before


def test_every_script_is_clean_to_shellcheck(booted: Booted) -> None:
    scripts = booted.machine.run("grep", "-rl", "^#!/bin/bash", "/opt/flotilla/runtime/boot").split()
    assert len(scripts) > 8
    assert booted.machine.run("shellcheck", "--severity=style", *scripts) == ""
