"""The entries of a zip archive."""

import copy
import io
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from flotilla.archive.entry import CHUNK_BYTES, Entry, damage_is_refused
from flotilla.task.fault import Rule, pointer_to_path, refused
from flotilla.task.limits import Limits
from flotilla.task.tree import Kind

_INDEX_RECORD = b"PK\x01\x02"
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # the classic cipher, strong encryption, a masked index


class _IndexGuard(io.BufferedReader):
    """The file as `zipfile` sees it: refuses an index of too many records before an object is made for each."""

    def __init__(self, path: Path, *, limits: Limits) -> None:
        super().__init__(io.FileIO(path))
        self._limits = limits
        self.is_reading_index = True

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if self.is_reading_index and found.count(_INDEX_RECORD) > self._limits.entries:
            raise refused(
                f"The archive has more than {self._limits.entries:,} entries.",
                "Remove what the task does not need.",
                rule=Rule.LIMIT,
            )
        return found


def zip_entries(path: Path, *, limits: Limits) -> Iterator[Entry]:
    """The entries in the order of the index, which alone decides what the archive holds."""
    with damage_is_refused(), _IndexGuard(path, limits=limits) as file, zipfile.ZipFile(file) as archive:
        file.is_reading_index = False
        for info in archive.infolist():
            _refuse_unreadable(info)
            yield Entry(
                # `zipfile` cuts a name at its first NUL; the whole name must be seen to be refused.
                name=info.orig_filename if "\0" in info.orig_filename else info.filename,
                kind=_kind(info),
                executable=bool((info.external_attr >> 16) & 0o111),
                chunks=_chunks(archive, info),
            )


def _refuse_unreadable(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise refused(
            "This file is encrypted.",
            "Pack the task without a password.",
            rule=Rule.ARCHIVE,
            pointer=pointer_to_path(info.filename),
        )
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise refused(
            f"This file is packed by method {info.compress_type}, which is not deflate.",
            "Pack the task with an ordinary zip, or with tar -czf.",
            rule=Rule.ARCHIVE,
            pointer=pointer_to_path(info.filename),
        )


def _kind(info: zipfile.ZipInfo) -> Kind:
    """By name and Unix mode. Archives from elsewhere have no mode; one that denies the name is not believed."""
    form = stat.S_IFMT(info.external_attr >> 16)
    if stat.S_ISLNK(form):
        return Kind.LINK
    if form not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return Kind.SPECIAL
    if info.is_dir() or stat.S_ISDIR(form):
        return Kind.SPECIAL if info.file_size else Kind.FOLDER
    return Kind.FILE


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    # `zipfile` stops at the size that the header claims. Asking for one byte more shows a header that lies.
    generous = copy.copy(info)
    generous.file_size += 1
    given = 0
    with damage_is_refused(), archive.open(generous) as member:
        while chunk := member.read(CHUNK_BYTES):
            given += len(chunk)
            yield chunk
        if given != info.file_size:
            raise zipfile.BadZipFile(f"{info.filename} does not have the {info.file_size} bytes that its header states")
