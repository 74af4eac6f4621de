"""Files into and out of a container, as tar streams that are held on disk once they are large."""

import asyncio
import base64
import json
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from worker_agent.docker import host_side
from worker_agent.docker.engine import Body, Engine
from worker_agent.docker.errors import EngineError
from worker_agent.docker.repetition import may_repeat, repeated

HELD_IN_MEMORY = 8 << 20
TRANSFER_SECONDS = 600.0
GO_MODE_DIR = 1 << 31
GO_MODE_LINK = 1 << 27
"""Bits of Go's `os.FileMode`, which the engine's answers use."""


async def upload_file(engine: Engine, container: str, *, source: Path, target: str) -> None:
    """Copy a file to a path, or into it if it is a directory or ends in a slash; missing parents are made."""
    if target.endswith("/") or await _is_directory(engine, container, path=target):
        target = posixpath.join(target, source.name)
    await _put(engine, container, add=lambda tar: tar.add(source, _member(target)))


async def upload_dir(engine: Engine, container: str, *, source: Path, target: str) -> None:
    """Copy what a directory holds into one in the container, which is made if need be and else keeps its modes."""
    there = await _is_directory(engine, container, path=target)
    if there is False:
        raise EngineError(409, f"{target} is no directory")

    def add(tar: tarfile.TarFile) -> None:
        if there is None:
            tar.add(source, _member(target), recursive=False)
        for entry in sorted(source.iterdir()):
            tar.add(entry, posixpath.join(_member(target), entry.name))

    await _put(engine, container, add=add)


async def download(engine: Engine, container: str, *, source: str, target: Path) -> None:
    """Copy a file or directory out to a path (inside it if it is a directory); missing parents are made.

    With a source that ends in `/.` it is what the directory holds that is copied.
    """
    with tempfile.SpooledTemporaryFile(max_size=HELD_IN_MEMORY) as spool:
        where = f"/containers/{container}/archive"

        async def fetch() -> None:
            spool.seek(0)
            spool.truncate()
            async with engine.opened("GET", where, query={"path": source}, seconds=TRANSFER_SECONDS) as answer:
                while chunk := await answer.reader.read():
                    spool.write(chunk)

        await repeated(fetch, passes=_passes)
        spool.seek(0)
        into = None if source.endswith("/.") else posixpath.basename(source.rstrip("/"))
        await asyncio.to_thread(_unpack, spool, target, into=into)


async def _is_directory(engine: Engine, container: str, *, path: str) -> bool | None:
    """Whether a path in the container, links followed, is a directory; `None` if nothing is there."""
    where = f"/containers/{container}/archive"

    async def look() -> str:
        async with engine.opened("HEAD", where, query={"path": path}, seconds=engine.call_seconds) as answer:
            return answer.headers["x-docker-container-path-stat"]

    try:
        stat = json.loads(base64.b64decode(await repeated(look, passes=_passes)))
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    if stat["mode"] & GO_MODE_LINK:
        return await _is_directory(engine, container, path=stat["linkTarget"])  # the engine followed it to its end
    return bool(stat["mode"] & GO_MODE_DIR)


def _passes(fault: Exception) -> bool:
    return may_repeat(fault, method="GET", safe=True)  # the same files twice are the same files


def _member(path: str) -> str:
    return posixpath.normpath(f"/{path}").lstrip("/") or "."


async def _put(engine: Engine, container: str, *, add: Callable[[tarfile.TarFile], None]) -> None:
    # Everything is unpacked from the root, so that links in the tree may point wherever they like.
    with tempfile.SpooledTemporaryFile(max_size=HELD_IN_MEMORY) as spool:
        await asyncio.to_thread(_pack, spool, add)
        size = spool.tell()
        if await host_side.unpack(engine, container, spool):
            return
        body = Body(kind="application/x-tar", size=size, source=spool)
        where = f"/containers/{container}/archive"

        async def send() -> None:
            spool.seek(0)
            async with engine.opened("PUT", where, query={"path": "/"}, body=body, seconds=TRANSFER_SECONDS):
                return

        await repeated(send, passes=_passes)


def _pack(spool: IO[bytes], add: Callable[[tarfile.TarFile], None]) -> None:
    with tarfile.open(fileobj=spool, mode="w") as tar:
        add(tar)


def _unpack(spool: IO[bytes], target: Path, *, into: str | None) -> None:
    """Unpack an archive whose top entry becomes the target, or gets the name `into` in it if it is a directory.

    The archive comes from a place where anybody's code ran. Links are kept as they are, but made last, so that
    nothing is written through them; devices, pipes and what would land outside of the target are left out.
    """
    if into and target.is_dir():
        target /= into
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=spool) as tar:
        found = tar.getmembers()
        top = len(_parts(found[0].name))  # none if it is what a directory holds
        members = [_renamed(member, target, top=top) for member in found if not member.isdev()]
        members.sort(key=lambda member: (member.islnk(), member.issym() or member.islnk()))
        tar.extractall(target.parent, members=members, filter=_placed)  # noqa: S202 - _placed is the check


def _renamed(member: tarfile.TarInfo, target: Path, *, top: int) -> tarfile.TarInfo:
    """The member under the target's name, owned by whoever unpacks it, without set-uid bits."""
    return member.replace(
        name=posixpath.join(target.name, *_parts(member.name)[top:]),
        linkname=_linkname(member, target, top=top),
        mode=member.mode & 0o777,
        uid=os.getuid(),
        gid=os.getgid(),
        uname="",
        gname="",
        deep=False,
    )


def _linkname(member: tarfile.TarInfo, target: Path, *, top: int) -> str:
    """A hard link names another member; what a symbolic link says is its own affair."""
    return posixpath.join(target.name, *_parts(member.linkname)[top:]) if member.islnk() else member.linkname


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in {"", ".", ".."}]


def _placed(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Clears the member's place of an old file or link; none if links that were there lead the member astray."""
    home = Path(folder).resolve()
    points = [Path(home, member.name).parent, *([Path(home, member.linkname)] if member.islnk() else [])]
    if not all(_leads_into(home, point) for point in points):
        return None
    place = Path(home, member.name)
    if place.is_symlink() or place.is_file():
        place.unlink()
    return member


def _leads_into(home: Path, path: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(home)
    except OSError:
        return False
