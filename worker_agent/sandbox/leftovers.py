"""What a sandbox leaves on disk, whatever its processes made of it and however they ended: removed, or made ours."""

import os
import shutil
import stat
from pathlib import Path

from worker_agent.sandbox import kernel


def remove_scratch(path: Path) -> None:
    """Remove a scratch directory and all below it; one that is gone already is fine. Raises `OSError` for what stays.

    Only for a sandbox whose processes have ended: it opens up closed directories on its way.
    """
    for mount_point in _mounts_below(path):
        kernel.unmount(mount_point)
    if not path.is_dir():
        return
    _open_up(path)
    shutil.rmtree(path)


def take_over(path: Path) -> None:
    """Make what a sandbox wrote into a directory of the host belong to us: readable, and never set-uid.

    Only for a sandbox whose processes have ended.
    """
    _open_up(path)
    for folder, subfolders, files in os.walk(path):
        for entry in (Path(folder, name) for name in (*subfolders, *files)):
            if os.geteuid() == 0:
                os.chown(entry, 0, 0, follow_symlinks=False)
            mode = entry.lstat().st_mode
            if not stat.S_ISLNK(mode):
                entry.chmod((stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IWUSR) & ~(stat.S_ISUID | stat.S_ISGID))


def _mounts_below(path: Path) -> list[str]:
    """Mount points at or under a path, innermost first."""
    place = f"{path.resolve()}/"
    rows = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    points = [row.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape") for row in rows]
    return [point for point in reversed(points) if f"{point}/".startswith(place)]


def _open_up(path: Path) -> None:
    """Give every directory back the modes that removal needs: overlays leave some with mode 000, tasks leave others."""
    path.chmod(0o700)
    for folder, subfolders, _ in os.walk(path):
        for name in subfolders:
            subfolder = Path(folder, name)
            if not subfolder.is_symlink() and subfolder.stat().st_mode & 0o700 != 0o700:
                subfolder.chmod(0o700)
