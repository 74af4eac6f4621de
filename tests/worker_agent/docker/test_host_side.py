"""What is put into a container past the engine is what the engine would have put there, and lands nowhere else."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker_agent.docker.conftest import running_container
from tests.worker_agent.docker.tasks import PREBUILT, Runner, reward
from tests.worker_agent.engine_proxy import Injury, Kind, proxied
from worker_agent.docker import archives, commands, containers, host_side
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root reaches into a container"),
    pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning"),  # Harbor's own
]

BEFORE = """
mkdir -p {0}/there/sub {0}/was-folder/full {0}/real && cd {0}
chmod 1777 there && chown 7:8 there/sub && echo old > there/file && ln -s /etc/passwd there/link
touch was-folder/full/file && echo x > was-file && ln -s real linked && ln -s {0}/real/ absolute
find . -mindepth 1 -exec touch --no-dereference --date=@123456789 {{}} +
"""
LISTED = """
cd {0} && find . -mindepth 1 -path ./made -prune -o -printf '%p %y %m %U:%G %n %l %Ts\\n' | sort
find made -printf '%p %y %m %U:%G\\n' && cat there/file were/deep/a
"""


def shell(engine: Engine, container: str, command: str) -> str:
    output, code = asyncio.run(commands.run(engine, container, argv=["bash", "-c", command]))
    assert code == 0, output
    return output


@pytest.fixture
def other(docker: Engine, labels: dict[str, str]) -> Iterator[str]:
    """Another running container."""
    with running_container(docker, labels) as made:
        yield made


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Everything that may lie in a task, of several owners, some of it where something else is."""
    tree = tmp_path / "tree"
    for folder in ("there/sub/new", "was-file/now", "were/deep", "linked", "absolute"):
        (tree / folder).mkdir(parents=True)
    (tree / "there" / "file").write_text("new\n")
    (tree / "there" / "link").symlink_to("../was-folder")
    (tree / "was-folder").write_text("no folder any more")
    (tree / "was-folder").chmod(0o4751)
    (tree / "were" / "deep" / "a").write_bytes(os.urandom(100_000).hex().encode())
    (tree / "were" / "b").hardlink_to(tree / "were" / "deep" / "a")
    (tree / "linked" / "ö b").write_text("")
    (tree / "were" / "deep").chmod(0o2700)
    os.chown(tree / "were" / "deep", 1234, 4321)
    os.chown(tree / "there" / "link", 99, 98, follow_symlinks=False)
    for place in sorted(tree.rglob("*"), reverse=True):
        os.utime(place, (1e9, 1e9 + len(place.name)), follow_symlinks=False)
    return tree


def test_it_is_what_the_engine_would_have_put_there(
    docker: Engine, container: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place, reached in (("/by-engine", False), ("/by-host", True)):
        shell(docker, container, BEFORE.format(place))
        with monkeypatch.context() as patch:
            if not reached:
                patch.setattr(host_side, "root_directory", unreachable)
            asyncio.run(archives.upload_dir(docker, container, source=tree, target=place))
            asyncio.run(archives.upload_file(docker, container, source=tree / "were/b", target=f"{place}/made/for/it"))
        found.append(shell(docker, container, LISTED.format(place)).replace(place, ""))
    assert found[0] == found[1]
    assert "made/for/it f 644" in found[0]


def unreachable(pid: int, *, container: str) -> None:
    raise PermissionError("it is another host's, say")


def test_the_archive_is_unpacked_without_the_engine(docker_engine: str, container: str, tree: Path) -> None:
    with proxied(docker_engine, tree.parent / "engine.sock") as proxy:
        unpacked = Injury(calls=r"PUT \S*/archive", kind=Kind.COUNTED)
        proxy.injuries.append(unpacked)
        asyncio.run(archives.upload_dir(Engine(proxy.address), container, source=tree, target="/put"))
    assert unpacked.met == 0


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the host, to be empty at the end; beside it is the `file` that a test uploads."""
    (tmp_path / "file").write_text("from the task")
    outside = tmp_path / "outside"
    outside.mkdir()
    return outside


@pytest.mark.parametrize("link", ["{0}", "/../../..{0}"])
def test_no_link_of_the_container_leads_to_the_host(docker: Engine, container: str, outside: Path, link: str) -> None:
    shell(docker, container, f"mkdir -p {outside} && ln -s {link.format(outside)} /way")
    asyncio.run(archives.upload_file(docker, container, source=outside.parent / "file", target="/way/file"))
    assert list(outside.iterdir()) == []
    assert shell(docker, container, f"cat {outside}/file") == "from the task"


@pytest.mark.parametrize("link", ["/proc/1/root{0}", "/proc/self/cwd{0}"])
def test_a_link_by_way_of_the_kernel_leads_nowhere(docker: Engine, container: str, outside: Path, link: str) -> None:
    shell(docker, container, f"mkdir -p {outside} && ln -s {link.format(outside)} /way")
    with pytest.raises(EngineError, match="/way/file"):  # it was left to the engine, which finds no way either
        asyncio.run(archives.upload_file(docker, container, source=outside.parent / "file", target="/way/file"))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["/proc/1/root/etc/hostname", "/magic/etc/hostname", "/not/there"])
def test_what_only_the_engine_can_say_something_of_is_left_to_it(docker: Engine, container: str, path: str) -> None:
    shell(docker, container, "ln -s /proc/1/root /magic")
    assert not asyncio.run(host_side.make_executable(docker, container, path))


def test_a_process_of_another_container_is_not_taken_for_it(docker: Engine, container: str, other: str) -> None:
    pids = [asyncio.run(containers.first_process(docker, each)) for each in (container, other)]
    with host_side.root_directory(pids[0], container=container):
        pass
    with pytest.raises(ProcessLookupError), host_side.root_directory(pids[1], container=container):
        pass
    with pytest.raises(ProcessLookupError), host_side.root_directory(os.getpid(), container=container):
        pass


def test_a_container_that_has_ended_is_out_of_reach(docker: Engine, container: str) -> None:
    pid = asyncio.run(containers.first_process(docker, container))
    asyncio.run(docker.json("POST", f"/containers/{container}/kill"))
    asyncio.run(docker.json("POST", f"/containers/{container}/wait"))
    with pytest.raises(OSError), host_side.root_directory(pid, container=container):
        pass


@pytest.mark.parametrize("mode", ["0644", "4600", "0755", "0000"])
def test_a_file_becomes_executable_as_by_chmod(docker: Engine, container: str, mode: str) -> None:
    shell(docker, container, f"touch /a /b && chmod {mode} /a /b && chmod +x /a && ln -s b /link")
    assert asyncio.run(host_side.make_executable(docker, container, "/link"))
    by_command, by_us = shell(docker, container, "stat -c %a /a /b").split()
    assert by_command == by_us


def test_a_plain_trial_asks_the_engine_for_its_two_scripts_and_nothing_else(
    docker_engine: str, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(docker_engine, tmp_path / "engine.sock") as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.address)
        made, unpacked = (Injury(calls=call, kind=Kind.COUNTED) for call in (r"POST \S*/exec ", r"PUT \S*/archive"))
        proxy.injuries += [made, unpacked]
        result = asyncio.run(runner.run(PREBUILT))
    assert (reward(result), made.met, unpacked.met) == (1.0, 2, 0)
