"""Opens what a task has written: plain files only, and no link on the way to them is followed."""

import os
import stat
from pathlib import Path


def open_plain(path: Path, *, within: Path) -> int | None:
    """A descriptor to read a plain file below `within`, following no link on the way; None if there is none."""
    try:
        directory = os.open(within, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # Harbor has not made it yet
        return None
    try:
        *folders, name = path.relative_to(within).parts
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = inner
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:  # not there yet, or a link where none may be
        return None
    finally:
        os.close(directory)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None
