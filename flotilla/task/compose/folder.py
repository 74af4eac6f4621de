"""Where the paths of a Compose document lead: in a bundle that is not unpacked yet, or on a worker's disk."""

import os
import posixpath
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from flotilla.task.compose.value import decided

HARBORS_FOLDER = re.compile(r"\$(?:CONTEXT_DIR|\{CONTEXT_DIR\})(?=/|$)")
_LOGS = "HOST_(?:VERIFIER_LOGS|AGENT_LOGS|ARTIFACTS)_PATH"
HARBORS_LOGS = re.compile(rf"\$(?:\{{{_LOGS}\}}|{_LOGS})")
"""Variables that Harbor sets itself, whatever a task says: the task's folder, and where a trial's logs go."""

_ELSEWHERE = re.compile(r"\w+://|git@|[\w.-]+@[\w.-]+:|github\.com/|[A-Za-z]:|~|.*\\")
"""What Compose takes for an address, another machine's path, or somebody's home."""
_SOCKETS = re.compile(r"(docker|containerd|podman|buildkitd)[^/]*\.sock|^/(var/)?run(/(docker|containerd|podman))?/?$")


class Astray(ValueError):
    """A path leads out of the folder, and why that is refused."""


class Undecided(ValueError):
    """Where a path leads depends on a variable."""


class Folder(Protocol):
    """What the document's paths are judged by."""

    def locate(self, path: str, *, below: str = "") -> str:
        """The place, in a form that tells places apart; `below` is a place from before. Raises Astray, Undecided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFolder:
    """A folder of a bundle, seen from a file in it; both are paths in the bundle."""

    root: str
    base: str

    def locate(self, path: str, *, below: str = "") -> str:
        """The path in the bundle."""
        if HARBORS_LOGS.fullmatch(path):
            return path
        folder = HARBORS_FOLDER.match(path)
        start = self.root if folder else below or self.base
        within = f".{path[folder.end() :]}" if folder else path
        text = decided(within)
        if text is None:
            raise Undecided(path)
        if text.startswith("/") or _ELSEWHERE.match(text):
            raise Astray(_why(text))
        place = posixpath.normpath(posixpath.join(start, text))
        if not is_within(place, self.root):
            raise Astray(_why(text))
        return place

    def seen_from(self, folder: str) -> "BundleFolder":
        """The same folder for paths that begin elsewhere in it."""
        return replace(self, base=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFolder:
    """A task's folder on the disk of the worker, and the places beside it that are ours to mount."""

    root: Path
    own: AbstractSet[Path]

    def locate(self, path: str, *, below: str = "") -> str:
        """The real path, links followed."""
        text = decided(path)
        if text is None:
            raise Undecided(path)
        if _ELSEWHERE.match(text):
            raise Astray(_why(text))
        place = os.path.realpath(Path(below or self.root) / text)
        owned = {os.path.realpath(own) for own in self.own}
        if place not in owned and not is_within(place, os.path.realpath(self.root)):
            raise Astray(_why(text))
        return place


def is_within(place: str, folder: str) -> bool:
    """Whether it is the folder or in it, both being normal paths."""
    return (
        (folder in {".", ""} and not place.startswith(("..", "/"))) or place == folder or place.startswith(f"{folder}/")
    )


def _why(text: str) -> str:
    if _SOCKETS.search(text):
        return "it is, or holds, the Docker socket, and with it this host."
    return "it is outside of the task's own folder."
