"""One record of an archive, whatever the format, and what a damaged archive is answered with."""

import errno
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flotilla.task.fault import BundleRefused, Rule, printable, refused
from flotilla.task.tree import Kind

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record as the archive states it. Its chunks must be drawn before the next entry is asked for."""

    name: str
    kind: Kind
    executable: bool
    chunks: Iterator[bytes]


def damaged(what: str) -> BundleRefused:
    """The refusal of an archive that cannot be read to its end."""
    return refused(
        f"The archive is damaged or cut off: {printable(what)[:200]}.",
        "Pack it again with zip or tar -czf, and upload it whole.",
        rule=Rule.ARCHIVE,
    )


@contextmanager
def damage_is_refused() -> Iterator[None]:
    """Turns what the readers of archives raise on bad data into a refusal; errors of our own disk pass."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise damaged(str(error) or "it ends too early") from error
    except (ValueError, ArithmeticError, NotImplementedError, RecursionError) as error:
        # Numbers, encodings and versions out of range, which the readers do not name.
        raise damaged(str(error)) from error
    except OSError as error:
        # gzip's own complaint has no number; a position outside the file is EINVAL.
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise damaged(str(error)) from error
