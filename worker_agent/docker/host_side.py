"""The files of a running container, reached from its host: what is done there needs no process of the engine's.

To unpack an archive the engine starts a program of its own, and to run a command four. Root on the same host writes
into the container's root directory instead. The kernel resolves every path with that directory as `/`, links and `..`
included, so that nothing a task put there leads out of it. Where it cannot be done, the engine is there as before.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import posixpath
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from worker_agent.docker.engine import Engine

_SYS_OPENAT2 = 437  # on every architecture
_IN_ROOT, _NO_MAGIC_LINKS = 0x10, 0x02
_IDENTITIES = ("uid_map", "gid_map")
_MADE_BESIDE = 0o755
"""The mode of folders that an archive's paths lead through and that were not there, as the engine makes them."""

_log = logging.getLogger(__name__)


async def unpack(engine: Engine, container: str, archive: IO[bytes]) -> bool:
    """Unpack a tar archive from the root of a container as the engine would; whether that could be done from here.

    If not, some of it may be there already: the engine is then to unpack the same once more.
    """
    return await _done(engine, container, lambda root: root.unpack(archive))


async def make_executable(engine: Engine, container: str, path: str) -> bool:
    """Do what `chmod +x` does for root; whether that could be done from here."""
    return await _done(engine, container, lambda root: root.make_executable(path))


async def _done(engine: Engine, container: str, work: Callable[["RootDirectory"], None]) -> bool:
    found = await engine.json("GET", f"/containers/{container}/json")

    def do() -> None:
        with root_directory(found["State"]["Pid"], container=found["Id"]) as root:
            work(root)

    try:
        await asyncio.to_thread(do)
    except OSError as reason:
        _log.debug("left to the engine: %s", reason)
        return False
    return True


@contextmanager
def root_directory(pid: int, *, container: str) -> Iterator["RootDirectory"]:
    """The root directory of a container, whose first process the engine says has this id.

    Raises OSError where it has ended, is another host's, or has other users than this process.
    """
    with _opened(f"/proc/{pid}") as process:
        # Whatever is read through this descriptor is of that one process: its number may be another's later.
        if container not in _text(process, "cgroup"):
            raise ProcessLookupError(f"process {pid} of this host is not in container {container}")
        for name in _IDENTITIES:
            if _text(process, name) != Path("/proc/self", name).read_text(encoding="ascii"):
                raise PermissionError(f"the users of container {container} are not those of this host")
        with _opened("root", at=process) as root:
            yield RootDirectory(root)


class RootDirectory:
    """Paths in one directory as if it were `/`. Every method raises OSError, and what it began may be half done."""

    def __init__(self, descriptor: int) -> None:
        self._root = descriptor

    def make_executable(self, path: str) -> None:
        """Let everybody execute a file."""
        with self._at(path, os.O_PATH) as file:
            # A descriptor of this kind has no mode of its own to change; the file behind it has.
            Path(f"/proc/self/fd/{file}").chmod(stat.S_IMODE(os.fstat(file).st_mode) | 0o111)

    def unpack(self, archive: IO[bytes]) -> None:
        """Put every member in its place, instead of what is there; only folders stay, with what they hold."""
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            members = [member for member in tar if _parts(member.name)[1]]
            for member in members:
                self._place(tar, member)
            for member in filter(tarfile.TarInfo.isdir, members):  # what was put into them has changed their times
                with self._at(member.name, os.O_RDONLY | os.O_DIRECTORY) as folder:
                    os.utime(folder, (member.mtime, member.mtime))

    def _place(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        above, name = _parts(member.name)
        with self._folder(above) as folder:
            _clear(folder, name, keep_folder=member.isdir())
            if member.isdir():
                _make_folder(folder, name, member)
            elif member.isreg():
                _write(folder, name, member, tar.extractfile(member))
            elif member.issym():
                _make_link(folder, name, member)
            elif member.islnk():
                self._link_again(folder, name, member)
            else:
                raise OSError(errno.ENOTSUP, "no file, folder or link", member.name)

    def _link_again(self, folder: int, name: str, member: tarfile.TarInfo) -> None:
        above, other = _parts(member.linkname)
        with self._folder(above) as source:
            os.link(other, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)

    @contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """A folder, made if need be, with those above it."""
        try:
            descriptor = self._open(path, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            above, name = _parts(path)
            with self._folder(above) as parent:
                os.mkdir(name, dir_fd=parent)
                descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                os.fchmod(descriptor, _MADE_BESIDE)
        with _closing(descriptor):
            yield descriptor

    @contextmanager
    def _at(self, path: str, flags: int) -> Iterator[int]:
        with _closing(self._open(path, flags)) as descriptor:
            yield descriptor

    def _open(self, path: str, flags: int) -> int:
        how = _How(flags=flags | os.O_CLOEXEC, resolve=_IN_ROOT | _NO_MAGIC_LINKS)
        libc = ctypes.CDLL(None, use_errno=True)
        name = os.fsencode(path or ".")
        descriptor = libc.syscall(_SYS_OPENAT2, self._root, name, ctypes.byref(how), ctypes.sizeof(how))
        if descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
        return int(descriptor)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _clear(folder: int, name: str, *, keep_folder: bool) -> None:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=folder)
    elif not keep_folder:
        shutil.rmtree(name, dir_fd=folder)


def _make_folder(folder: int, name: str, member: tarfile.TarInfo) -> None:
    with contextlib.suppress(FileExistsError):  # it stays, with the member's owner and mode
        os.mkdir(name, dir_fd=folder)
    with _closing(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)) as made:
        _own(made, member)


def _make_link(folder: int, name: str, member: tarfile.TarInfo) -> None:
    os.symlink(member.linkname, name, dir_fd=folder)
    os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
    os.utime(name, (member.mtime, member.mtime), dir_fd=folder, follow_symlinks=False)


def _write(folder: int, name: str, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
    if content is None:
        raise OSError(errno.EINVAL, "a file without content", member.name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as made:  # noqa: PTH123 - a descriptor
        shutil.copyfileobj(content, made)
        _own(made.fileno(), member)
        made.flush()
        os.utime(made.fileno(), (member.mtime, member.mtime))


def _own(made: int, member: tarfile.TarInfo) -> None:
    os.fchown(made, member.uid, member.gid)
    os.fchmod(made, stat.S_IMODE(member.mode))  # after the owner, whose change takes set-uid bits off


def _parts(path: str) -> tuple[str, str]:
    """The folder of a path and its name in it, without slashes before or after, `.` or `..`; all empty for the root."""
    return posixpath.split(posixpath.normpath(f"/{path}").lstrip("/"))


@contextmanager
def _opened(path: str, *, at: int | None = None) -> Iterator[int]:
    with _closing(os.open(path, os.O_PATH | os.O_DIRECTORY, dir_fd=at)) as descriptor:
        yield descriptor


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _text(folder: int, name: str) -> str:
    with open(os.open(name, os.O_RDONLY, dir_fd=folder), encoding="ascii") as file:  # noqa: PTH123 - a descriptor
        return file.read()
