"""Large tasks in archives that do not shrink when they are packed."""

import io
import random
import zipfile

from tests.api.bundle import zipped


def large_archive(size: int) -> bytes:
    """A good task's .zip of a little more than `size` bytes, each time the same."""
    buffer = io.BytesIO(zipped())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo("environment/data"), noise(size))
    return buffer.getvalue()


def noise(size: int) -> bytes:
    """Bytes of every value, each time the same."""
    return random.Random(size).randbytes(size)  # noqa: S311 -- no secret
