"""What a sandbox leaves on disk, whatever its processes made of it and however they ended: removed, or made ours."""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from worker_agent.sandbox import kernel

_SHOWN_CHARACTERS = 500


def remove_scratch(path: Path) -> None:
    """Remove a scratch directory and all below it; one that is gone already is fine. Raises `OSError` for what stays.

    Only for a sandbox whose processes have ended: it opens up closed directories on its way.
    """
    for mount_point in _mounts_below(path):
        kernel.unmount(mount_point)
    if not path.is_dir():
        return
    try:
        _open_up(path)
        shutil.rmtree(path)
    except (OSError, RecursionError):
        _remove_deep(path)


def take_over(path: Path) -> None:
    """Make what a sandbox wrote into a directory of the host belong to us: readable, and never set-uid.

    Only for a sandbox whose processes have ended.
    """
    _open_up(path)
    for entry, state in _entries(path):
        if os.geteuid() == 0:
            os.chown(entry, 0, 0, follow_symlinks=False)
        if not stat.S_ISLNK(state.st_mode):
            entry.chmod((stat.S_IMODE(state.st_mode) | stat.S_IRUSR | stat.S_IWUSR) & ~(stat.S_ISUID | stat.S_ISGID))


def _mounts_below(path: Path) -> list[str]:
    """Mount points at or under a path, innermost first."""
    place = f"{path.resolve()}/"
    rows = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    points = [row.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape") for row in rows]
    return [point for point in reversed(points) if f"{point}/".startswith(place)]


def _remove_deep(path: Path) -> None:
    """Trees that are too deep for paths to name them, or for Python to climb, are nothing to the host's own program.

    Without root it does not get through what a task has closed, so that is opened first.
    """
    for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        done = subprocess.run([*command, "--", path], capture_output=True, text=True, check=False)
    if path.exists():
        raise OSError(f"{path} is not removed: {done.stderr[-_SHOWN_CHARACTERS:]}")


def _open_up(path: Path) -> None:
    """Give every directory back the modes that removal needs: overlays leave some with mode 000, tasks leave others."""
    path.chmod(0o700)
    for entry, state in _entries(path):
        if stat.S_ISDIR(state.st_mode) and state.st_mode & 0o700 != 0o700:
            entry.chmod(0o700)


def _entries(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All that lies below, each folder before what is in it; what is too deep for a path to name it is passed over."""
    for folder, subfolders, files in os.walk(path):
        for entry in (Path(folder, name) for name in (*subfolders, *files)):
            try:
                state = entry.lstat()
            except OSError as fault:
                if fault.errno != errno.ENAMETOOLONG:
                    raise
            else:
                yield entry, state
