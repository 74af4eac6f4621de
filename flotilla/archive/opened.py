"""A bundle's archive, opened for checking: nothing of it is written to disk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flotilla.archive.reading import read_bundle, task_folder
from flotilla.task.limits import Limits
from flotilla.task.tree import (
    COMPOSE_BYTES,
    TEXT_BYTES,
    Member,
    is_read_by_the_check,
    may_be_included,
    text_too_large,
)

_TEXTS_BYTES = 64 * TEXT_BYTES
"""What is kept of all texts together; past it a text counts as too large."""
_YAML_BYTES = 64 * COMPOSE_BYTES
"""The same of files that a Compose file may include; apart, since most bundles have them for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A sound archive: its members relative to the task's root, and the few texts that the check reads."""

    folder: str
    """The folder of the archive that the task lies in, `""` for its root."""
    members: Mapping[str, Member]
    texts: Mapping[str, bytes]

    def read(self, path: str, *, limit: int = TEXT_BYTES) -> bytes:
        """The text's bytes; `BundleRefused` past the limit."""
        if path not in self.texts or len(self.texts[path]) > limit:
            raise text_too_large(path, limit=limit)
        return self.texts[path]


class _Texts:
    """Keeps the texts that the check may ask for, and lets everything else pass."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self._left = _TEXTS_BYTES
        self._left_of_yaml = _YAML_BYTES

    def __call__(self, path: str, *, executable: bool, chunks: Iterator[bytes]) -> None:  # noqa: ARG002 -- a Receiver
        if is_read_by_the_check(path):
            self._left -= self._keep(path, chunks, most=min(TEXT_BYTES, self._left))
        elif may_be_included(path):
            self._left_of_yaml -= self._keep(path, chunks, most=min(COMPOSE_BYTES, self._left_of_yaml))

    def _keep(self, path: str, chunks: Iterator[bytes], *, most: int) -> int:
        """How many bytes were kept: all, or none if there are more than that."""
        content = bytearray()
        for chunk in chunks:
            content += chunk
            if len(content) > most:
                return 0
        self.kept[path] = bytes(content)
        return len(content)


def open_archive(path: Path, *, limits: Limits) -> Archive:
    """Reads a .zip or .tar.gz (told by its content) from end to end; `BundleRefused` unless it is sound and safe.

    Pointers of these refusals name the place in the archive, the task's own folder included.
    """
    texts = _Texts()
    members = read_bundle(path, limits=limits, receive=texts)
    folder = task_folder(members)
    inside = f"{folder}/" if folder else ""
    return Archive(
        folder=folder,
        members={
            place.removeprefix(inside): replace(member, path=place.removeprefix(inside))
            for place, member in members.items()
            if place != folder
        },
        texts={place.removeprefix(inside): content for place, content in texts.kept.items()},
    )
