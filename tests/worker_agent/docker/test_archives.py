"""Files into and out of a container, bytes, links and modes as they are."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from worker_agent.docker import archives, commands
from worker_agent.docker.engine import Engine
from worker_agent.docker.errors import EngineError


class Files:
    """The container's files, written and read by commands in it."""

    def __init__(self, engine: Engine, container: str) -> None:
        self.engine, self.container = engine, container

    def shell(self, command: str) -> str:
        output, code = asyncio.run(commands.run(self.engine, self.container, argv=["bash", "-c", command]))
        assert code == 0, output
        return output

    def upload_file(self, source: Path, target: str) -> None:
        asyncio.run(archives.upload_file(self.engine, self.container, source=source, target=target))

    def upload_dir(self, source: Path, target: str) -> None:
        asyncio.run(archives.upload_dir(self.engine, self.container, source=source, target=target))

    def download(self, source: str, target: Path) -> None:
        asyncio.run(archives.download(self.engine, self.container, source=source, target=target))


@pytest.fixture
def files(docker: Engine, container: str) -> Files:
    return Files(docker, container)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with an executable, a link, an empty folder and a file whose name is no ASCII."""
    tree = tmp_path / "tree"
    (tree / "sub" / "empty").mkdir(parents=True)
    (tree / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "sub" / "ö b").write_text("x")
    (tree / "link").symlink_to("sub/ö b")
    (tree / "away").symlink_to("../../../etc/hostname")
    return tree


def test_a_large_binary_file_comes_back_as_it_went(files: Files, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(os.urandom(archives.HELD_IN_MEMORY + 12345))
    files.upload_file(source, "/data/deep/large")
    files.download("/data/deep/large", tmp_path / "new" / "back")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (source, tmp_path / "new" / "back")]
    assert digests[0] == digests[1]


def test_a_file_goes_into_a_directory_under_its_own_name(files: Files, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    files.shell("mkdir /there && ln -s /there /by-link")
    for target in ("/there", "/by-link", "/new/"):
        files.upload_file(tmp_path / "f", target)
    assert files.shell("cat /there/f /by-link/f /new/f") == "texttexttext"


def test_a_directory_goes_with_links_modes_and_empty_folders(files: Files, tree: Path) -> None:
    files.upload_dir(tree, "/app")
    assert files.shell("/app/run.sh; cat /app/link; readlink /app/away; test -d /app/sub/empty") == (
        "ran\nx../../../etc/hostname\n"
    )


def test_a_directory_that_is_there_keeps_its_modes_and_what_it_holds(files: Files, tree: Path) -> None:
    files.shell("mkdir /srv/real && touch /srv/real/old && chmod 1777 /srv/real && ln -s /srv/real /linked")
    files.upload_dir(tree, "/linked")
    assert files.shell("stat -c %a /srv/real; ls /srv/real; readlink /linked").split() == [
        "1777", "away", "link", "old", "run.sh", "sub", "/srv/real",
    ]  # fmt: skip


def test_a_directory_does_not_go_over_a_file(files: Files, tree: Path) -> None:
    files.shell("touch /file")
    with pytest.raises(EngineError, match="/file"):
        files.upload_dir(tree, "/file")


def test_a_directory_comes_back_with_links_kept_as_links(files: Files, tmp_path: Path) -> None:
    files.shell(
        "mkdir -p /out/sub && cd /out && echo a > a && chmod 751 a && ln a hard && ln -s /etc/passwd abs"
        " && ln -s ../../x up && mkfifo pipe && echo b > sub/b && chmod 555 sub"
    )
    target = tmp_path / "made" / "for it"
    files.download("/out/.", target)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "a", "abs", "hard", "sub", "sub/b", "up",
    ]  # fmt: skip
    assert ((target / "abs").readlink(), (target / "up").readlink()) == (Path("/etc/passwd"), Path("../../x"))
    assert (target / "hard").read_text() == "a\n"
    assert (target / "a").stat().st_mode & 0o777 == 0o751


def test_what_is_on_the_host_is_not_written_through_links(files: Files, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    target = tmp_path / "target"
    target.mkdir()
    (target / "f").symlink_to(outside / "kept")
    (target / "d").symlink_to(outside)
    files.shell("mkdir -p /evil/d && echo theirs > /evil/f && echo theirs > /evil/d/kept")
    files.download("/evil/.", target)
    assert (outside / "kept").read_text() == "mine"
    assert (target / "f").read_text() == "theirs\n"
    assert (target / "d" / "kept").read_text() == "theirs\n"


def test_a_file_comes_into_a_directory_that_is_there(files: Files, tmp_path: Path) -> None:
    files.shell("echo hi > /note")
    files.download("/note", tmp_path)
    assert (tmp_path / "note").read_text() == "hi\n"


def test_what_is_not_there_is_refused(files: Files, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="/nothing"):
        files.download("/nothing", tmp_path / "x")
