"""A task is root in its sandbox, and that is worth nothing outside of it."""

import asyncio
import stat
from pathlib import Path

import pytest

from .conftest import Starting


def run(started: Starting, command: str, **options: object) -> str:
    """What a command prints in a fresh sandbox."""

    async def scenario() -> str:
        async with started(**options) as sandbox:
            return (await sandbox.exec(command)).stdout or ""

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -t tmpfs none /mnt",
        "umount /proc/sys",
        "mount -o remount,rw /proc/sys",
        "unshare --user --map-root-user true",
        "unshare --mount true",
        "chroot /proc/1/root true",
        "mknod /tmp/disk b 8 0",
        "chmod 600 /dev/null",
        "chown 1000 /dev/zero",
        "echo 1 > /proc/sys/kernel/panic",
        "[ -e /proc/sysrq-trigger ] && echo h > /proc/sysrq-trigger",
        "cat /proc/1/environ",
        "readlink /proc/1/fd/0",
        "ls /proc/1/root/",
        "hostname elsewhere",
        "dmesg",
    ],
)
def test_a_task_cannot_break_out(started: Starting, attempt: str) -> None:
    assert run(started, f"( {attempt} ) > /dev/null 2>&1 && echo did it || echo refused") == "refused\n"


def test_a_program_that_a_task_replaced_gains_no_power_when_a_later_command_runs_it(started: Starting) -> None:
    async def scenario() -> tuple[str, str]:
        async with started() as sandbox:
            spy = "#!/bin/bash.real\\ngrep -h CapEff /proc/self/status >> /tmp/spied\\n"
            await sandbox.exec("cp /bin/bash /bin/bash.real; cp /bin/tar /bin/tar.real")
            await sandbox.exec(
                f"printf '{spy}exec /bin/tar.real \"$@\"\\n' > /tmp/tar && chmod +x /tmp/tar && mv /tmp/tar /bin/tar"
            )
            await sandbox.upload_dir("/etc/alternatives", "/copied")
            spied = await sandbox.exec("sort -u /tmp/spied")
            usual = await sandbox.exec("grep -h CapEff /proc/self/status")
            return spied.stdout or "", usual.stdout or ""

    spied, usual = asyncio.run(scenario())
    assert spied == usual == "CapEff:\t00000000800405fb\n"


def test_the_host_keeps_its_devices_as_they_were(started: Starting) -> None:
    before = Path("/dev/null").stat()
    run(started, "chmod 000 /dev/null; chown 7:7 /dev/null; rm -f /dev/null")
    after = Path("/dev/null").stat()
    assert (stat.filemode(after.st_mode), after.st_uid) == (stat.filemode(before.st_mode), before.st_uid)


def test_a_task_sees_programs_and_nothing_that_the_host_keeps(started: Starting) -> None:
    shown = run(started, "ls /home /opt /srv /mnt /root /sys /run; ls /var/lib; cat /etc/shadow")
    assert set(shown.split("\n\n")[0].splitlines()) <= {"/home:", "/mnt:", "/opt:", "/srv:", "/root:", "/sys:", "/run:"}
    assert "docker" not in shown and "postgresql" not in shown
    passwords = [row.split(":")[1] for row in shown.splitlines() if row.count(":") == 8]
    assert passwords and set(passwords) == {"*"}


def test_what_other_users_of_the_host_may_not_read_is_not_there(started: Starting) -> None:
    private = [
        str(path) for path in Path("/etc").iterdir() if not path.is_symlink() and not path.stat().st_mode & 0o004
    ]
    assert "/etc/shadow" in private  # the one that every host has, and that is made anew
    shown = run(started, f"ls -d {' '.join(private)} 2> /dev/null")
    assert set(shown.split()) <= {"/etc/shadow", "/etc/gshadow"}


def test_hidden_paths_do_not_exist_even_in_folders_that_are_shown(started: Starting) -> None:
    hidden = ["/usr/share/doc", "/usr/lib/os-release", "/usr/local/not-yet/deeper", "/etc/apt"]
    seen = run(
        started, "ls -d /usr/share/doc /usr/lib/os-release /usr/local/not-yet /etc/apt /usr/share", hidden=hidden
    )
    assert [line for line in seen.splitlines() if "cannot access" not in line] == ["/usr/share"]


def test_one_task_cannot_see_or_signal_the_processes_of_another(started: Starting) -> None:
    async def scenario() -> str:
        async with started("one") as one, started("two") as two:
            await one.exec("sleep 300 > /dev/null 2>&1 &")
            seen = await two.exec("pgrep sleep; kill -KILL -1 2> /dev/null; true")
            alive = await one.exec("pgrep --count sleep")
            return f"{seen.stdout or ''}{alive.stdout}"

    assert asyncio.run(scenario()) == "1\n"


def test_without_network_there_is_loopback_and_nothing_else(started: Starting) -> None:
    assert run(started, "grep -o '[a-z0-9]*:' /proc/net/dev; echo > /dev/udp/127.0.0.1/9 && echo up") == "lo:\nup\n"


def test_a_task_cannot_end_its_own_keeper(started: Starting) -> None:
    async def scenario() -> None:
        async with started() as sandbox:
            await sandbox.exec("for name in KILL TERM INT HUP STOP CHLD USR1; do kill -$name 1; done")
            assert (await sandbox.exec("echo alive")).stdout == "alive\n"

    asyncio.run(scenario())


def test_ended_processes_are_reaped(started: Starting) -> None:
    assert run(started, "for n in 1 2 3; do (sleep 0 &) ; done; sleep 0.2; ps -eo stat | grep -c ^Z") == "0\n"
