"""An archive that a task has packed writes nothing outside of the directory it is unpacked into."""

import io
import tarfile
from pathlib import Path

import pytest

from worker_agent.sandbox import transfer


def archive(*members: tuple[str, bytes, str]) -> io.BytesIO:
    """A tar of (name, type, content or link target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(text)
            else:
                member.linkname = text
            tar.addfile(member, io.BytesIO(text.encode()))
    buffer.seek(0)
    return buffer


def test_nothing_is_written_through_a_link_of_the_same_archive(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hostile = archive(("door", tarfile.SYMTYPE, str(outside)), ("door/file", tarfile.REGTYPE, "x"))
    transfer.unpack(hostile, into=tmp_path / "into")
    assert list(outside.iterdir()) == []


def test_nothing_is_written_through_a_link_of_an_earlier_archive(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    transfer.unpack(archive(("door", tarfile.SYMTYPE, str(outside))), into=tmp_path / "into")
    with pytest.raises(tarfile.FilterError):
        transfer.unpack(archive(("door/file", tarfile.REGTYPE, "x")), into=tmp_path / "into")
    transfer.unpack(archive(("door/link", tarfile.SYMTYPE, "x")), into=tmp_path / "into")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["../file", "inner/../../file"])
def test_no_file_leaves_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(tarfile.FilterError):
        transfer.unpack(archive((name, tarfile.REGTYPE, "x")), into=tmp_path / "into")
    assert not (tmp_path / "file").exists()


def test_no_hard_link_reaches_a_file_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(tarfile.FilterError):
        transfer.unpack(archive(("copy", tarfile.LNKTYPE, "../secret")), into=tmp_path / "into")


def test_pipes_and_devices_are_left_out(tmp_path: Path) -> None:
    transfer.unpack(archive(("pipe", tarfile.FIFOTYPE, ""), ("file", tarfile.REGTYPE, "x")), into=tmp_path / "into")
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["file"]
