"""The entries of a tar archive under gzip, read once from front to back."""

import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path

from flotilla.archive.entry import CHUNK_BYTES, Entry, damage_is_refused, damaged
from flotilla.task.fault import Rule, refused
from flotilla.task.limits import Limits
from flotilla.task.tree import Kind

_HEADER_BYTES = 1 << 18
"""The most that all headers of one entry may have together: long names, extended attributes."""

_FRAME_BYTES = 4096
"""What an entry's own headers and padding may add, on average, to its content."""


class _Tape:
    """The unpacked stream as `tarfile` sees it: forward only, a bounded header at a time, a bounded length in all.

    Forward only, since `tarfile` follows a negative size back and for ever; bounded headers, since it holds one whole
    in memory, as long as it claims to be.
    """

    def __init__(self, stream: gzip.GzipFile, *, length: int) -> None:
        self._stream = stream
        self._length = length
        self._position = 0
        self._header_left = _HEADER_BYTES
        self.last_header = b""

    def begin_header(self) -> None:
        """The next entry has its whole allowance for headers again."""
        self._header_left = _HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Part of a header."""
        self._header_left -= size
        if self._header_left < 0:
            raise tarfile.ReadError("an entry has a header that is far too long")
        self.last_header = self.content(size)
        return self.last_header

    def content(self, size: int) -> bytes:
        """Part of a file, or of what is skipped."""
        found = self._stream.read(size)
        self._position += len(found)
        if self._position > self._length:
            raise refused(
                f"The archive unpacks to more than {self._length:,} bytes.",
                "Remove what the task does not need.",
                rule=Rule.LIMIT,
            )
        return found

    def tell(self) -> int:
        """Where the stream stands, in unpacked bytes."""
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Skips forward to an absolute position."""
        if whence or position < self._position:
            raise tarfile.ReadError("an entry leads back into the archive")
        while self._position < position:
            if not self.content(min(CHUNK_BYTES, position - self._position)):
                raise tarfile.ReadError("it ends inside an entry")
        return self._position


def tar_entries(path: Path, *, limits: Limits) -> Iterator[Entry]:
    """The entries in the archive's order; the stream is read and checked to its last byte."""
    with damage_is_refused(), gzip.open(path, "rb") as stream:
        tape = _Tape(stream, length=limits.unpacked_bytes + limits.entries * _FRAME_BYTES)
        archive = tarfile.TarFile(fileobj=tape)  # type: ignore[arg-type]  # read, seek and tell are all it uses
        while (info := archive.next()) is not None:
            yield Entry(
                name=info.name,
                kind=_kind(info),
                executable=bool(info.mode & 0o111),
                chunks=_chunks(tape, info),
            )
            tape.begin_header()
        _refuse_open_end(tape)


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.issym() or info.islnk():
        return Kind.LINK
    if info.isdir():
        return Kind.FOLDER
    # A sparse file may claim any size at no cost.
    return Kind.FILE if info.isreg() and not info.issparse() else Kind.SPECIAL


def _chunks(tape: _Tape, info: tarfile.TarInfo) -> Iterator[bytes]:
    with damage_is_refused():
        tape.seek(info.offset_data)
        left = info.size if _kind(info) is Kind.FILE else 0
        while left > 0:
            chunk = tape.content(min(CHUNK_BYTES, left))
            if not chunk:
                raise tarfile.ReadError("it ends inside a file")
            left -= len(chunk)
            yield chunk


def _refuse_open_end(tape: _Tape) -> None:
    """`tarfile` takes a spoilt header, or none, for the end. The true end is zeros, and nothing but zeros follows."""
    if tape.last_header != bytes(tarfile.BLOCKSIZE):
        raise damaged("its end is missing")
    while rest := tape.content(CHUNK_BYTES):
        if rest.strip(b"\0"):
            raise damaged("it goes on after its end")
