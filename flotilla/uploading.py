"""An upload in parts, over many requests to many machines, and how it becomes a bundle.

Each part is a file of its own that is written once; the upload's row names those that count. Whoever comes too late or
twice has written a file that nobody names, so that no lock is needed on the shared file system, and none is taken.
"""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine

from flotilla.archive import Limits
from flotilla.layout import Layout
from flotilla.receiving import Arrival, arriving, receive_bundle, sync_directory
from flotilla.store.bundles import Bundle, get_bundle
from flotilla.store.uploads import Upload, add_part, delete_upload, get_upload, record_bundle
from flotilla.task import BundleRefused

UPLOAD_SECONDS = 24 * 3600.0
"""How long an upload may take; the pulse sweeps what is left of older ones."""
_READ_BYTES = 1 << 20


class PartRefused(Exception):
    """The upload does not stand where this part begins, or takes no further parts; nothing of the part counts."""


class UploadLost(Exception):
    """The upload was ended or made a bundle meanwhile, or lacks bytes on the file system: it has to be made anew."""


def append_part(engine: Engine, arrival: Arrival, *, upload: Upload, offset: int) -> int:
    """Counts what arrived as the upload's bytes from `offset` on; returns the next offset. Raises PartRefused."""
    arrival.complete()
    if arrival.size == 0:
        return offset
    sync_directory(arrival.path.parent)
    arrival.kept = True  # before the commit, whose answer may be lost: the row then promises this file
    with engine.begin() as connection:
        part, size = arrival.path.name, arrival.size
        received = add_part(connection, upload_id=upload.id, offset=offset, part=part, size=size)
    if received is None:
        arrival.kept = False
        raise PartRefused(f"upload {upload.id} takes no part of {size} bytes at {offset}: ask where it stands")
    return received


def receive_upload(
    engine: Engine, upload: Upload, *, layout: Layout, limits: Limits, allow_host_access: bool = False
) -> Bundle:
    """Makes the bundle of a whole upload; asked again, it is the same bundle.

    Raises BundleRefused, and then nothing is kept, or UploadLost.
    """
    try:
        with arriving(layout) as arrival:
            _join(upload, arrival, layout=layout)
            bundle = receive_bundle(
                engine,
                arrival,
                tenant=upload.tenant,
                layout=layout,
                limits=limits,
                allow_host_access=allow_host_access,
            )
    except BundleRefused:
        end_upload(engine, upload, layout=layout)
        raise
    except UploadLost:
        finished = _bundle_of(engine, upload)
        if finished is None:
            raise
        return finished
    with engine.begin() as connection:
        record_bundle(connection, upload_id=upload.id, bundle_id=bundle.id)
    _discard(upload.parts, layout=layout)
    return bundle


def end_upload(engine: Engine, upload: Upload, *, layout: Layout) -> None:
    """Forgets an upload: the row first, then its files, which promise nothing without it."""
    with engine.begin() as connection:
        parts = delete_upload(connection, upload_id=upload.id)
    _discard(parts, layout=layout)


def _join(upload: Upload, arrival: Arrival, *, layout: Layout) -> None:
    for part in upload.parts:
        _copy(layout.uploads / part, arrival)
    if arrival.size != upload.length:
        raise UploadLost(f"upload {upload.id} has {arrival.size} of its {upload.length} bytes: make a new one")


def _copy(path: Path, arrival: Arrival) -> None:
    try:
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                arrival.write(data)
    except FileNotFoundError as error:
        raise UploadLost(f"{path.name} is gone: make a new upload") from error


def _bundle_of(engine: Engine, upload: Upload) -> Bundle | None:
    """What the upload became, if it did."""
    with engine.begin() as connection:
        now = get_upload(connection, upload_id=upload.id, tenant=upload.tenant)
        if now is None or now.bundle_id is None:
            return None
        return get_bundle(connection, bundle_id=now.bundle_id, tenant=upload.tenant)


def _discard(parts: Iterable[str], *, layout: Layout) -> None:
    for part in parts:
        (layout.uploads / part).unlink(missing_ok=True)
