"""Rules for what a Compose document names by its path, and for folders that containers write to."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flotilla.task.compose.finding import Finding, Steps, refusal, undecided
from flotilla.task.compose.folder import Astray, Undecided
from flotilla.task.compose.rules import Scope
from flotilla.task.compose.value import Value, decided, listed, mapped, split

_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What is a volume's name and no path."""

INSIDE = "Put what it needs beside the Compose file, or into the image, and write a relative path."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Something on the disk that the document uses: a mount, or a file that Compose itself reads."""

    place: str
    steps: Steps
    is_mount: bool
    is_writable: bool = False


def path(value: Value, steps: Steps, scope: Scope, *, below: str = "") -> Iterator[Finding]:
    """The rule of a key that is a path."""
    if not isinstance(value, str):
        return
    try:
        scope.folder.locate(value, below=below)
    except Undecided:
        yield undecided(steps, value)
    except Astray as error:
        yield refusal(steps, value, why=str(error), mend=INSIDE)


def files(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    """The rule of `env_file`, which is a path, or paths, or mappings with one each."""
    for entry in listed(value):
        yield from path(mapped(entry).get("path") if isinstance(entry, dict) else entry, steps, scope)


def mount_source(entry: Value) -> str | None:
    """The host's path that an entry of `volumes` mounts, if it mounts one."""
    if isinstance(entry, str):
        parts = split(entry)
        is_anonymous = len(parts) == 1 and decided(entry) is not None
        return None if is_anonymous or _is_volume(parts[0]) else parts[0]
    words = mapped(entry)
    source = words.get("source")
    if not isinstance(source, str) or words.get("type") in {"tmpfs", "image"}:
        return None
    return source if words.get("type") == "bind" or not _is_volume(source) else None


def references(services: Value, files_of_services: Iterable[str], scope: Scope) -> Iterator[Reference]:
    """The mounts of all services, and the files that these keys of theirs name."""
    for name, service in mapped(services).items():
        words = mapped(service)
        steps: Steps = ("services", name)
        for place, entry in enumerate(listed(words.get("volumes"))):
            source, way = mount_source(entry), (*steps, "volumes", place)
            yield from _reference(source, way, scope, is_mount=True, is_writable=_writes(entry))
        for key in files_of_services:
            for entry in listed(words.get(key)):
                text = mapped(entry).get("path") if isinstance(entry, dict) else entry
                yield from _reference(text, (*steps, key), scope, is_mount=False)


def file_references(value: Value, kind: str, scope: Scope) -> Iterator[Reference]:
    """The files of top-level `secrets` or `configs`."""
    for name, words in mapped(value).items():
        yield from _reference(mapped(words).get("file"), (kind, name, "file"), scope, is_mount=True)


def covered(found: Iterable[Reference]) -> Iterator[tuple[Reference, Finding]]:
    """Mounts through which a container could put a link in the place of what is mounted or read later."""
    known = sorted(found, key=lambda reference: reference.place)
    places = [reference.place for reference in known]
    read = {reference.place: reference for reference in known if not reference.is_mount}
    for mount in (reference for reference in known if reference.is_writable):
        below = "" if mount.place == "." else f"{mount.place}/"
        others = (other for other in known[bisect_left(places, below) :] if other.place != mount.place)
        other = read.get(mount.place) or next(others, None)
        if other is not None and other.place.startswith((below, mount.place)):
            yield mount, _covering(mount, other)


def _covering(mount: Reference, other: Reference) -> Finding:
    what = other.steps[0] if len(other.steps) == 1 else ".".join(str(step) for step in other.steps)
    return Finding(
        steps=mount.steps,
        message=f"The container could put a link that leads out of the folder in the place of {what}.",
        mend="Mount it read-only (:ro), or mount a volume, or a folder that nothing else names.",
    )


def _reference(
    text: Value, steps: Steps, scope: Scope, *, is_mount: bool, is_writable: bool = False
) -> Iterator[Reference]:
    if not isinstance(text, str):
        return
    try:
        place = scope.folder.locate(text)
    except (Astray, Undecided):
        return  # refused already
    yield Reference(place=place, steps=steps, is_mount=is_mount, is_writable=is_writable)


def _writes(entry: Value) -> bool:
    if isinstance(entry, str):
        return "ro" not in split(entry)[-1].split(",")
    return mapped(entry).get("read_only") != "true"


def _is_volume(source: str) -> bool:
    return _VOLUME.fullmatch(source) is not None
