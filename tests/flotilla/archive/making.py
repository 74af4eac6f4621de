"""Archives for tests, honest ones and forged ones."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

TASK: Mapping[str, bytes] = {
    "task.toml": b'version = "1.0"\n',
    "instruction.md": b"Write hello.\n",
    "environment/Dockerfile": b"FROM debian:bookworm-slim\n",
    "tests/test.sh": b"#!/bin/sh\n",
}


def below(folder: str) -> dict[str, bytes]:
    """The task's files in a folder of this name."""
    return {f"{folder}/{path}": content for path, content in TASK.items()}


def zip_of(*extra: tuple[str | zipfile.ZipInfo, bytes], task: Mapping[str, bytes] = TASK) -> bytes:
    """A zip of the task and of these entries after it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*task.items(), *extra]:
            archive.writestr(zip_info(name, mode=mode_of(name)) if isinstance(name, str) else name, content)
    return buffer.getvalue()


def zip_info(name: str, *, mode: int, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def mode_of(name: str) -> int:
    return stat.S_IFREG | (0o755 if PurePosixPath(name).name == "test.sh" else 0o644)


def tar_of(
    *extra: tuple[tarfile.TarInfo, bytes], task: Mapping[str, bytes] = TASK, form: int = tarfile.PAX_FORMAT
) -> bytes:
    """A bare tar of the task and of these entries after it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in task.items():
            archive.addfile(tar_info(name, size=len(content), mode=mode_of(name)), io.BytesIO(content))
        for info, content in extra:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tar_info(name: str, *, size: int = 0, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size, mode, kind
    return info


def raw_block(info: tarfile.TarInfo, *, size: int) -> bytes:
    """A tar header that claims this size, whatever its checksum must be for that (negative ones in base 256)."""
    info.size = 0
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"%011o\0" % size if size >= 0 else b"\xff" * 4 + struct.pack(">q", size)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax_block(fields: Mapping[str, object]) -> bytes:
    """A pax header and its records, padded."""
    records = b"".join(_pax_record(f" {name}={value}\n".encode()) for name, value in fields.items())
    header = raw_block(tar_info("pax", kind=tarfile.XHDTYPE), size=len(records))
    return header + records + bytes(-len(records) % tarfile.BLOCKSIZE)


def _pax_record(rest: bytes) -> bytes:
    """The record with its own length before it, which counts its own digits."""
    return b"%d" % (len(rest) + 2) + rest


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)


def saved(content: bytes, folder: Path) -> Path:
    path = folder / "bundle"
    path.write_bytes(content)
    return path
