"""Files on their way into and out of a sandbox, as tar archives of which the inner end is never trusted."""

import os
import shutil
import tarfile
from pathlib import Path
from typing import IO

from harbor.environments.base import transfer_tar_filter


def pack(source: Path, *, into: IO[bytes], name: str | None = None) -> None:
    """Pack a file as `name`, or all that a directory holds; everything will belong to root in the sandbox."""
    with tarfile.open(fileobj=into, mode="w") as archive:
        if source.is_dir() and name is None:
            for path in sorted(source.iterdir()):
                archive.add(path, path.name, filter=_as_root)
        else:
            archive.add(source, name or source.name, filter=_as_root)
    into.seek(0)


def unpack(archive: IO[bytes], *, into: Path) -> None:
    """Unpack a directory that a sandbox has packed; nothing is ever written outside of `into`.

    Links stay what they are, wherever they point, like `docker cp` leaves them. They come last, so that no file of the
    same archive can be written through one.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=archive, mode="r:") as tar:
        members = tar.getmembers()
        links = [member for member in members if member.issym()]
        others = [member for member in members if not member.issym()]
        tar.extractall(into, others, filter=transfer_tar_filter)  # noqa: S202 (filtered)
        tar.extractall(into, links, filter=_inside)  # noqa: S202 (filtered)


def save(content: IO[bytes], *, target: Path, name: str) -> None:
    """Write one file that came out of a sandbox, under its own name if the target is a directory."""
    place = target / name if target.is_dir() else target
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        shutil.copyfileobj(content, file)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    return member.replace(uid=0, gid=0, uname="", gname="", deep=False)


def _inside(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo | None:
    """A link whose own place (not its target) lies in the directory; no other member, and none that is in the way."""
    place = Path(into, member.name)
    parent = place.parent.resolve()
    if not parent.is_relative_to(Path(into).resolve()) or (place.is_dir() and not place.is_symlink()):
        return None
    if os.path.lexists(place):
        place.unlink()
    return member
