"""What a task sees of the host: a few folders under a writable layer of its own, with holes where secrets lie."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from worker_agent.sandbox.errors import SandboxUnsupportedError
from worker_agent.sandbox.kernel import NO_DEVICES
from worker_agent.sandbox.mounts import Mount

# Programs, their configuration, and what the host's package manager knows: nothing else. `/var` and `/opt` hold data
# (databases, logs, mail, engines, checkouts), so of them only the package databases are listed.
_SHOWN = (
    *("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/var/lib/alternatives", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/pacman", "/var/lib/rpm"),
)
# `userxattr` is what a user namespace may use; `volatile` spares syncing what is thrown away anyway.
_OVERLAY_OPTIONS = "userxattr,volatile"


class Layers:
    """The writable directories of one sandbox, before it starts."""

    def __init__(self, scratch: Path, *, hidden: Iterable[Path]) -> None:
        """Lay them out below `scratch`; the `hidden` host paths, and `scratch`, will not exist for the task."""
        self._scratch = scratch
        self._hidden = {form for path in (*hidden, scratch) for form in (Path(os.path.normpath(path)), path.resolve())}
        self._shown = [folder for folder in map(Path, _SHOWN) if self._may_show(folder)]
        self._below = [(f"{folder}/", folder) for folder in self._shown]
        for folder in self._shown:
            for part in ("up", "work"):
                _like(folder, self._layer(folder) / part)
        (scratch / "root").mkdir()
        (scratch / "empty").mkdir()
        for path in (*self._hidden, *_not_for_all(Path("/etc"))):
            self._hide(path)

    def place(self, path: str) -> Path:
        """Where to write on the host what the task shall find at `path`; its parent directories are made."""
        target = Path(path)
        if not target.is_absolute() or ".." in target.parts:
            raise ValueError(f"{path!r} is no absolute path without '..'")
        folder = self._folder_of(target)
        if folder is None:
            place = self._scratch / "root" / target.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            return place
        return self._reach(folder, target)

    def mounts(self, root: str) -> list[Mount]:
        """One overlay for each folder that is shown."""
        return [self._overlay(folder, root) for folder in self._shown]

    def links(self) -> Iterator[tuple[str, str]]:
        """Top-level links of the host (`/bin` → `usr/bin`) that a task needs as they are."""
        for path in map(Path, _SHOWN):
            if path.is_symlink() and path.parent == Path("/"):
                yield str(path), str(path.readlink()).lstrip("/")

    def _may_show(self, folder: Path) -> bool:
        if folder.is_symlink() or not folder.is_dir():
            return False
        if any(path.is_relative_to(folder) for path in (self._scratch, self._scratch.resolve())):
            raise SandboxUnsupportedError(
                f"the scratch directory {self._scratch} lies in {folder}, which tasks see: choose another one"
            )
        return not any(folder.is_relative_to(path) for path in self._hidden)

    def _layer(self, folder: Path) -> Path:
        return self._scratch / "layers" / "-".join(folder.parts[1:])

    def _overlay(self, folder: Path, root: str) -> Mount:
        layer = self._layer(folder).relative_to(self._scratch)
        options = f"lowerdir={folder},upperdir={layer}/up,workdir={layer}/work,{_OVERLAY_OPTIONS}"
        (self._scratch / root / folder.relative_to("/")).mkdir(parents=True, exist_ok=True)
        return Mount("overlay", f"{root}{folder}", kind="overlay", flags=NO_DEVICES, data=options)

    def _folder_of(self, path: Path) -> Path | None:
        # As text: a hundred such questions a sandbox, asked of paths, took a third of the time to lay it out.
        text = str(path)
        return next((folder for below, folder in self._below if text.startswith(below)), None)

    def _reach(self, folder: Path, target: Path) -> Path:
        """The place of `target` in the writable layer, its parents made as they are on the host."""
        host, place = folder, self._layer(folder) / "up"
        for part in target.relative_to(folder).parts[:-1]:
            host, place = host / part, place / part
            _like(host, place)
        return place / target.name

    def _hide(self, path: Path) -> None:
        """Put a hole where `path` is or would be: at its first part that is not an existing directory."""
        folder = self._folder_of(path)
        if folder is None:
            return
        while not path.parent.is_dir() or path.parent.is_symlink():
            path = path.parent
            if path == folder:
                return
        place = self._reach(folder, path)
        if not os.path.lexists(place):
            os.mknod(place, stat.S_IFCHR)  # an overlay's sign that there is nothing here; everybody may make one


def _like(model: Path, directory: Path) -> None:
    """Make a directory with the owner and mode of another, or of any if there is none."""
    if directory.is_dir():
        return
    directory.mkdir(parents=True)
    if model.is_dir():
        state = model.stat()
        directory.chmod(stat.S_IMODE(state.st_mode))
        if os.geteuid() == 0:
            os.chown(directory, state.st_uid, state.st_gid)


def _not_for_all(folder: Path) -> Iterator[Path]:
    """What other users of this host may not read below `folder` (keys, passwords), the outermost of it."""
    for entry in os.scandir(folder):
        if entry.is_symlink():
            continue
        is_folder = entry.is_dir()
        needed = stat.S_IROTH | (stat.S_IXOTH if is_folder else 0)
        if entry.stat().st_mode & needed != needed:
            yield Path(entry)
        elif is_folder:
            yield from _not_for_all(Path(entry))
