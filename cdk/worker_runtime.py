"""What a worker runs, in one archive: our packages, the locks of what they need, and the boot that puts it in place.

The packages from PyPI are not in it: their locks name each by digest, so where they come from changes nothing, synth
stays offline and the archive small (a fresh machine installs them in half a minute, a baked image has them).
"""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from cdk.address_pool import AddressPool
from cdk.docker_daemon import daemon_configuration

ROOT = Path(__file__).parent.parent
PACKAGES = ("flotilla", "worker_agent")
LOCKS = ("requirements/setup.txt", "requirements/worker.txt")
LEFT_OUT = frozenset({"__pycache__", "cli", "local"})
"""Directories that no worker needs: the command line, and the one-machine stack."""

DAEMON_CONFIGURATION = "boot/root/etc/docker/daemon.json"


def pack_worker_runtime(directory: Path, *, pool: AddressPool) -> Path:
    """Writes the archive into the directory. The same tree makes the same bytes: nothing is deployed for nothing."""
    path = directory / "worker-runtime.tar.gz"
    path.write_bytes(_archive(pool))
    return path


def digest(runtime: Path) -> str:
    """The archive's sha256, which a worker compares before it unpacks what it fetched."""
    return hashlib.sha256(runtime.read_bytes()).hexdigest()


def _archive(pool: AddressPool) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in sorted(_files()):
            _add(archive, name, path.read_bytes())
        _add(archive, DAEMON_CONFIGURATION, daemon_configuration(pool).encode())
    return packed.getvalue()


def _files() -> Iterator[tuple[str, Path]]:
    for lock in LOCKS:
        yield lock, ROOT / lock
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts):
                yield str(path.relative_to(ROOT)), path
    for path in (ROOT / "cdk/boot").rglob("*"):
        if path.is_file():
            yield str(path.relative_to(ROOT / "cdk")), path


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if content.startswith(b"#!/bin/bash") else 0o644
    archive.addfile(member, io.BytesIO(content))
