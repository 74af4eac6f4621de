"""The environment does for a trial what Harbor's Docker environment does."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from harbor.models.task.config import NetworkMode, NetworkPolicy

from worker_agent.sandbox.environment import SandboxEnvironment
from worker_agent.sandbox.errors import SandboxLostError, SandboxUnsupportedError

from .conftest import Starting


def test_a_command_has_its_directory_environment_output_and_exit_code(started: Starting) -> None:
    async def scenario() -> None:
        async with started(persistent_env={"KEPT": "always"}) as sandbox:
            result = await sandbox.exec('echo "$PWD $HOME $KEPT $GIVEN"; echo wrong >&2; exit 7', env={"GIVEN": "now"})
            assert (result.stdout, result.return_code) == ("/app /root always now\nwrong\n", 7)
            assert (await sandbox.exec("pwd", cwd="/usr")).stdout == "/usr\n"

    asyncio.run(scenario())


def test_loader_variables_of_a_task_never_reach_a_program_outside(started: Starting) -> None:
    async def scenario() -> None:
        async with started() as sandbox:
            result = await sandbox.exec("echo $LD_LIBRARY_PATH", env={"LD_LIBRARY_PATH": "/logs/agent"})
            assert result.stdout == "/logs/agent\n"

    asyncio.run(scenario())


def test_a_command_runs_as_the_user_it_names(started: Starting) -> None:
    async def scenario() -> None:
        async with started() as sandbox:
            await sandbox.exec("useradd --create-home --uid 4321 --groups mail agent")
            seen = await sandbox.exec('id -u; id -Gn; echo "$HOME"; grep CapEff /proc/self/status', user="agent")
            assert seen.stdout == "4321\nagent mail\n/home/agent\nCapEff:\t0000000000000000\n"
            assert (await sandbox.exec("id -u; id -g", user=777)).stdout == "777\n0\n"
            unknown = await sandbox.exec("true", user="nobody-knows")
            assert unknown.return_code != 0 and "nobody-knows" in (unknown.stdout or "")

    asyncio.run(scenario())


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(started: Starting) -> None:
    async def scenario() -> None:
        async with started() as sandbox:
            await sandbox.exec("setsid sleep 301 > /dev/null 2>&1 &")
            with pytest.raises(RuntimeError, match="timed out after 1 seconds"):
                await sandbox.exec("sleep 300 & (sleep 300; true)", timeout_sec=1)
            left = await sandbox.exec("pgrep --full --list-full '^sleep'")
            assert (left.stdout or "").split()[1:] == ["sleep", "301"]  # a daemon is a service, and stays

    asyncio.run(scenario())


def test_a_cancelled_command_is_killed_before_the_next_one_runs(started: Starting) -> None:
    async def scenario() -> None:
        async with started() as sandbox:
            told = asyncio.Event()

            async def tell(_text: str, _stream: str) -> None:
                told.set()

            with sandbox.scoped_output_callback(tell):
                command = asyncio.create_task(sandbox.exec("echo on my way; sleep 300"))
            await asyncio.wait_for(told.wait(), timeout=30)
            command.cancel()
            await asyncio.wait([command])
            assert command.cancelled()
            assert (await sandbox.exec("pgrep sleep")).return_code == 1

    asyncio.run(scenario())


def test_output_is_handed_on_while_the_command_runs(started: Starting) -> None:
    async def scenario() -> None:
        heard: list[str] = []
        first = asyncio.Event()

        async def hear(text: str, _stream: str) -> None:
            heard.append(text)
            first.set()

        async with started() as sandbox:
            with sandbox.scoped_output_callback(hear):
                command = asyncio.create_task(
                    sandbox.exec("echo möwe; until [ -e /tmp/go ]; do sleep 0.05; done; echo ende")
                )
            await asyncio.wait_for(first.wait(), timeout=30)
            assert heard == ["möwe\n"] and not command.done()
            await sandbox.exec("touch /tmp/go")
            assert (await command).stdout == "möwe\nende\n"

    asyncio.run(scenario())


def test_a_service_left_in_the_background_neither_blocks_its_command_nor_dies_of_it(started: Starting) -> None:
    async def scenario() -> None:
        async with started() as sandbox:
            result = await asyncio.wait_for(
                sandbox.exec("(while sleep 0.1; do echo alive; done) & echo started"), timeout=30
            )
            assert (result.stdout or "").startswith("started\n")
            later = await sandbox.exec("sleep 0.5; pgrep --count --full 'while sleep'")
            assert later.stdout == "1\n"

    asyncio.run(scenario())


def test_files_and_directories_go_in_and_come_out_with_links_and_modes(started: Starting, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "tool").write_text("#!/bin/sh\necho works\n")
    (source / "inner" / "tool").chmod(0o755)
    (source / "link").symlink_to("inner/tool")
    (source / "away").symlink_to("/etc/hostname")

    async def scenario() -> None:
        async with started() as sandbox:
            await sandbox.upload_dir(source, "/new/place")
            assert (await sandbox.exec("/new/place/link; stat -c %U /new/place/inner")).stdout == "works\nroot\n"
            await sandbox.upload_file(source / "inner" / "tool", "/srv")
            await sandbox.upload_file(source / "inner" / "tool", "/other/name")
            assert (await sandbox.exec("/srv/tool; /other/name")).stdout == "works\nworks\n"
            await sandbox.download_dir("/new/place", tmp_path / "back")
            await sandbox.download_file("/other/name", tmp_path / "file")
            with pytest.raises(RuntimeError, match="ended with"):
                await sandbox.download_file("/none", tmp_path / "none")

    asyncio.run(scenario())
    assert (tmp_path / "back" / "link").readlink() == Path("inner/tool")
    assert (tmp_path / "back" / "away").readlink() == Path("/etc/hostname")
    assert (tmp_path / "back" / "inner" / "tool").stat().st_mode & 0o111
    assert (tmp_path / "file").read_text() == (source / "inner" / "tool").read_text()


def test_an_uploaded_file_through_a_link_of_the_task_stays_in_the_sandbox(started: Starting, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "file").write_text("secret")

    async def scenario() -> None:
        async with started() as sandbox:
            await sandbox.exec(f"ln -s {outside} /tests")
            with pytest.raises(RuntimeError, match="cannot create directory"):
                await sandbox.upload_file(tmp_path / "file", "/tests/file")

    asyncio.run(scenario())
    assert list(outside.iterdir()) == []


def test_mounts_are_writable_or_not_as_they_say(started: Starting, tmp_path: Path) -> None:
    open_, closed = tmp_path / "open", tmp_path / "closed"
    for folder in (open_, closed):
        folder.mkdir()
        (folder / "here").write_text("from outside")
    mounts = [
        {"type": "bind", "source": str(open_), "target": "/logs/agent"},
        {"type": "bind", "source": str(closed), "target": "/usr/share/given", "read_only": True},
    ]

    async def scenario() -> None:
        async with started(mounts=mounts) as sandbox:
            await sandbox.exec("echo inside > /logs/agent/there; chmod 4000 /logs/agent/there", user="1234")
            refused = await sandbox.exec("echo inside > /usr/share/given/there")
            assert "Read-only" in (refused.stdout or "")
            assert (await sandbox.exec("cat /usr/share/given/here")).stdout == "from outside"

    asyncio.run(scenario())
    assert (open_ / "there").read_text() == "inside\n"
    assert ((open_ / "there").stat().st_uid, (open_ / "there").stat().st_mode & 0o7777) == (os.geteuid(), 0o600)
    assert not (closed / "there").exists()


def test_what_needs_an_engine_is_refused_with_the_mend(
    environment: Callable[..., SandboxEnvironment], tmp_path: Path
) -> None:
    allowlist = NetworkPolicy(network_mode=NetworkMode.ALLOWLIST, allowed_hosts=["example.org"])
    wishes: list[dict[str, object]] = [
        {"settings": {"os": "windows"}},
        {"settings": {"gpus": 1}},
        {"phase_network_policies": [allowlist]},
        {"mounts": [{"type": "volume", "source": "v", "target": "/v"}]},
    ]
    for wish in wishes:
        with pytest.raises(SandboxUnsupportedError, match="--environment docker"):
            environment(**wish)
    (tmp_path / "trial" / "environment" / "docker-compose.yaml").write_text("services: {}\n")
    with pytest.raises(SandboxUnsupportedError, match=r"docker-compose\.yaml"):
        environment()


def test_stopping_twice_or_before_the_start_is_fine(environment: Callable[..., SandboxEnvironment]) -> None:
    async def scenario() -> None:
        sandbox = environment()
        await sandbox.stop(delete=True)
        await sandbox.start(force_build=False)
        await sandbox.stop(delete=True)
        await sandbox.stop(delete=True)
        with pytest.raises(SandboxLostError):
            await sandbox.exec("true")

    asyncio.run(scenario())
