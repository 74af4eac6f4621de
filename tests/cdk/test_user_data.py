"""What an instance is told at its birth, as a document; that it is valid and works is seen in tests/cdk/boot/."""

import dataclasses

import pytest
import yaml

from cdk.user_data import LIMIT_BYTES, WorkerBoot, render_user_data

TOKEN = "${Token[TOKEN.123]}"  # as CDK writes what it does not know yet
BOOT = WorkerBoot(
    region="eu-central-1",
    runtime_bucket=TOKEN,
    runtime_key="worker-runtime.tar.gz",
    runtime_sha256="0" * 64,
    file_system=TOKEN,
    access_point=TOKEN,
    blocked_networks=["10.40.0.0/16", "10.41.0.0/16"],
    settings={"FLOTILLA_SLOTS": "60", "FLOTILLA_QUEUE_URL": TOKEN},
)


def files_of(boot: WorkerBoot) -> dict[str, str]:
    return {file["path"]: file["content"] for file in yaml.safe_load(render_user_data(boot))["write_files"]}


def test_it_leaves_room_for_what_deployment_fills_in() -> None:
    assert len(render_user_data(BOOT).encode()) < LIMIT_BYTES / 4


def test_what_is_not_known_yet_stands_in_it_unbroken() -> None:
    files = files_of(BOOT)
    assert f"FILE_SYSTEM='{TOKEN}'" in files["/etc/flotilla/boot.env"].splitlines()
    assert f"FLOTILLA_QUEUE_URL='{TOKEN}'" in files["/etc/flotilla/worker.env"].splitlines()


def test_every_network_is_handed_to_the_firewall() -> None:
    assert "BLOCKED_NETWORKS='10.40.0.0/16,10.41.0.0/16'" in files_of(BOOT)["/etc/flotilla/boot.env"].splitlines()


def test_only_root_reads_the_settings() -> None:
    assert {file["permissions"] for file in yaml.safe_load(render_user_data(BOOT))["write_files"]} == {"0600", "0700"}


@pytest.mark.parametrize("value", ["two\nlines", "a 'quoted' one"])
def test_a_value_that_would_break_out_of_its_line_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="FLOTILLA_SLOTS cannot go into a machine's settings"):
        render_user_data(dataclasses.replace(BOOT, settings={"FLOTILLA_SLOTS": value}))


def test_what_ec2_would_refuse_is_refused_before() -> None:
    with pytest.raises(ValueError, match="EC2 takes 16384"):
        render_user_data(dataclasses.replace(BOOT, settings={"FLOTILLA_SLOTS": "6" * LIMIT_BYTES}))
