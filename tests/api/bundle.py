"""Small tasks in archives."""

import io
import tarfile
import zipfile
from collections.abc import Mapping

TASK_TOML = '[task]\nname = "acme/sum"\n\n[agent]\ntimeout_sec = 60\n'
TASK: Mapping[str, str] = {
    "task.toml": TASK_TOML,
    "instruction.md": "Write the sum.\n",
    "environment/Dockerfile": "FROM debian:bookworm-slim\n",
    "tests/test.sh": "#!/bin/sh\necho 1 > /logs/verifier/reward.txt\n",
    "solution/solve.sh": "#!/bin/sh\ntrue\n",
}


def zipped(files: Mapping[str, str] = TASK, *, folder: str = "") -> bytes:
    """The files as a .zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(folder + name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def tarred(files: Mapping[str, str] = TASK, *, folder: str = "", links: Mapping[str, str] | None = None) -> bytes:
    """The files as a .tar.gz, with symbolic links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(folder + name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def without(*names: str) -> dict[str, str]:
    """The task's files but for some."""
    return {name: content for name, content in TASK.items() if name not in names}
