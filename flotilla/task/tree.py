"""What a task is made of, wherever it lies: in an archive or in a directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from flotilla.task.fault import BundleRefused, Rule, pointer_to_path, refused

TEXT_BYTES = 1 << 20
"""The most that one text the check reads may have; a shell takes far less as an instruction."""

COMPOSE_BYTES = 1 << 18
"""The same of a Compose file, and of what it includes: YAML is slow to read, and people write these by hand."""

_TEXT_NAMES = frozenset({"task.toml", "instruction.md", "docker-compose.yaml"})
_YAML = (".yaml", ".yml")
_TEXT_DEPTH = len(("folder", "steps", "name", "tests", "docker-compose.yaml"))


class Kind(StrEnum):
    """What one entry of an archive or directory is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    SPECIAL = "special"
    """A device, a pipe, a socket, or something that contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file or folder of a task; `path` is relative to the task's root, `size` is in bytes."""

    path: str
    kind: Kind
    size: int = 0
    executable: bool = False


class TaskTree(Protocol):
    """The files of one task. Links and the like never get this far: making a tree refuses them."""

    @property
    def members(self) -> Mapping[str, Member]:
        """Every file and folder by its path, folders that are only implied by a file's path included."""

    def read(self, path: str, *, limit: int = TEXT_BYTES) -> bytes:
        """The bytes of `task.toml`, an `instruction.md` or a YAML file; `BundleRefused` past the limit."""


def is_read_by_the_check(path: str) -> bool:
    """Whether the check may ask for the content of this file of an archive (the task's own folder still before it)."""
    parts = path.split("/")
    return parts[-1] in _TEXT_NAMES and len(parts) <= _TEXT_DEPTH


def may_be_included(path: str) -> bool:
    """Whether a Compose file may name this one as part of itself."""
    return path.endswith(_YAML)


def text_too_large(path: str, *, limit: int) -> BundleRefused:
    """The refusal of a text that is longer than the limit."""
    return refused(
        f"This text has more than {limit:,} bytes.",
        "Keep it short, and move long material into a file of the environment.",
        rule=Rule.TEXT_SIZE,
        pointer=pointer_to_path(path),
    )
