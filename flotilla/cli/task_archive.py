"""What `-p` names, as an archive to upload: a directory is checked and packed here, an archive goes as it is."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flotilla.archive import pack
from flotilla.cli.faults import CommandFault
from flotilla.task import BundleRefused, DirectoryTree, check

ZIP, GZIP = "application/zip", "application/gzip"
_SPOOL_BYTES = 16_000_000  # a smaller archive never touches the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskArchive:
    """An open archive and the media type by which it is uploaded."""

    file: BinaryIO
    content_type: str


@contextmanager
def open_task(path: Path) -> Iterator[TaskArchive]:
    """The archive of the task at `path`. Raises CommandFault with what the server would refuse it for."""
    if path.is_dir():
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            file = _binary(spool)
            _pack(path, file)
            yield TaskArchive(file=file, content_type=ZIP)
    elif path.is_file():
        with path.open("rb") as file:
            yield TaskArchive(file=file, content_type=_content_type(path))
    else:
        raise CommandFault(f"{path} is not there: give a task's directory, or its .zip or .tar.gz")


def _pack(path: Path, file: BinaryIO) -> None:
    try:
        check(DirectoryTree(path), allow_host_access=True)  # what a deployment allows, only the deployment knows
        pack(path, file)
    except BundleRefused as refused:
        raise CommandFault(str(refused)) from refused
    except OSError as error:
        raise CommandFault(f"{error.filename or path} cannot be read ({error.strerror})") from error


def _content_type(path: Path) -> str:
    if path.name.endswith(".zip"):
        return ZIP
    if path.name.endswith((".tar.gz", ".tgz")):
        return GZIP
    raise CommandFault(f"{path} is neither a directory nor a .zip or .tar.gz: pack the task as one of these")


def _binary(spool: "tempfile.SpooledTemporaryFile[bytes]") -> BinaryIO:
    return spool  # type: ignore[return-value]  # it has every method of a binary file, but not its type
