"""How much lies below directories that a task writes to: counted without following links, and never past a bound."""

import errno
import os
from collections.abc import Iterable

from worker_agent.bounds import Amount

BLOCK = 512  # what st_blocks counts, whatever the file system's own are


def lying_in(places: Iterable[str], *, most: Amount) -> Amount:
    """What the places hold together. Sparse files count for what they occupy; the count stops once it is past `most`.

    What vanishes while it is counted is passed over. A tree too deep for its paths to be named counts as too many
    files: nobody could count them.
    """
    held = Amount()
    folders = list(places)
    while folders and not held.is_past(most):
        try:
            held += _of_folder(folders.pop(), folders, most=most)
        except OSError as fault:
            if fault.errno == errno.ENAMETOOLONG:
                return held + Amount(files=most.files + 1)
    return held


def _of_folder(folder: str, folders: list[str], *, most: Amount) -> Amount:
    """What lies in it; folders in it are added to those that are still to be counted."""
    size = files = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed since it was listed: it takes up nothing
                continue
            files += 1
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
                size += state.st_blocks * BLOCK
            else:
                size += state.st_blocks * BLOCK // max(state.st_nlink, 1)
            if files > most.files:
                break
    return Amount(bytes=size, files=files)
