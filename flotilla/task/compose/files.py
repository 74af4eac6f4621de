"""The Compose files of a bundle, with those that they include or extend, judged before Compose ever sees them."""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from yaml import YAMLError
from yaml.nodes import Node

from flotilla.task.compose.finding import Finding, Steps, shown
from flotilla.task.compose.folder import Astray, BundleFolder, Undecided
from flotilla.task.compose.judge import judged, used
from flotilla.task.compose.paths import Reference, covered, files, path
from flotilla.task.compose.rules import Scope
from flotilla.task.compose.value import TooTangled, Value, listed, mapped, nodes, of_node
from flotilla.task.fault import BundleRefused, Fault, Rule, pointer_to_path
from flotilla.task.tree import may_be_included

MOST_FILES = 50
_VARIABLES = ".env"
"""Compose reads this one without being told."""

type Read = Callable[[str], list[Node | None]]
"""The documents of a file of the bundle. Raises BundleRefused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file to judge, and the folder that its relative paths begin in."""

    path: str
    base: str


@dataclass(slots=True, kw_only=True)
class _Walk:
    """The files that are reached from the first one."""

    root: str
    read: Read
    known: list[_File] = field(default_factory=list)
    references: list[tuple[str, Reference]] = field(default_factory=list)

    def faults(self, first: _File) -> Iterator[Fault]:
        self.known.append(first)
        for file in self.known:  # which grows on the way
            yield from self._faults_of(file)
        yield from self._covered()

    def _faults_of(self, file: _File) -> Iterator[Fault]:
        scope = Scope(folder=BundleFolder(root=self.root, base=file.base))
        try:
            documents = [of_node(node) for node in self.read(file.path)]
        except BundleRefused as refusal:
            yield from refusal.faults
            return
        except TooTangled as error:
            yield _unreadable(file.path, error)
            return
        for document in documents:
            for finding in (*judged(document, scope), *self._follow(document, scope)):
                yield _fault(file.path, finding.steps, finding.message, finding.mend)
            self.references += [(file.path, reference) for reference in used(document, scope)]

    def _follow(self, document: Value, scope: Scope) -> Iterator[Finding]:
        words = mapped(document)
        for name, service in mapped(words.get("services")).items():
            other = mapped(mapped(service).get("extends")).get("file")
            if isinstance(other, str):
                yield from self._reach(other, ("services", name, "extends", "file"), scope)
        for place, entry in enumerate(listed(words.get("include"))):
            yield from self._include(entry, ("include", place), scope)

    def _include(self, entry: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
        words: dict[str, Value] = {"path": entry} if isinstance(entry, str) else mapped(entry)
        project = words.get("project_directory")
        yield from path(project, (*steps, "project_directory"), scope)
        yield from files(words.get("env_file"), (*steps, "env_file"), scope)
        base = project if isinstance(project, str) else None
        for text in listed(words.get("path")):
            if isinstance(text, str):
                yield from self._reach(text, (*steps, "path"), scope, base=base)

    def _reach(self, text: str, steps: Steps, scope: Scope, *, base: str | None = None) -> Iterator[Finding]:
        yield from path(text, steps, scope)
        try:
            place = scope.folder.locate(text)
            start = posixpath.dirname(place) if base is None else scope.folder.locate(base)
        except (Astray, Undecided):
            return  # refused already
        found = _File(path=place, base=start)
        if found in self.known:
            return
        if not may_be_included(place):
            yield Finding(steps=steps, message=f"{shown(text)} is not named as YAML.", mend="Name it NAME.yaml.")
        elif len(self.known) == MOST_FILES:
            yield Finding(steps=steps, message=f"There are more than {MOST_FILES} files.", mend="Put them together.")
        else:
            self.known.append(found)

    def _covered(self) -> Iterator[Fault]:
        own = {file.path for file in self.known} | {posixpath.join(file.base, _VARIABLES) for file in self.known}
        read = [Reference(place=place, steps=(place,), is_mount=False) for place in sorted(own)]
        owners = {id(reference): file for file, reference in self.references}
        for reference, finding in covered([*(reference for _, reference in self.references), *read]):
            yield _fault(owners[id(reference)], finding.steps, finding.message, finding.mend)


def host_access_faults(file: str, *, read: Read) -> Iterator[Fault]:
    """What the Compose file, and all that it includes or extends, asks of the host or of other trials.

    `file` and what `read` takes are paths in the bundle; nothing may lead out of the file's folder.
    """
    folder = posixpath.dirname(file)
    yield from _Walk(root=folder, read=read).faults(_File(path=file, base=folder))


def documents_of(text: str, *, file: str) -> list[Node | None]:
    """The documents of a file. Raises BundleRefused if it is no YAML."""
    try:
        return nodes(text)
    except (YAMLError, RecursionError) as error:
        raise BundleRefused([_unreadable(file, error)]) from error


def _unreadable(file: str, error: Exception) -> Fault:
    """The fault of a file that is no YAML, or no document that anybody could follow."""
    if isinstance(error, YAMLError):
        message, mend = f"This is no YAML: {' '.join(str(error).split())[:300]}.", "Correct the line."
    else:
        message, mend = "This is nested without end, or holds far too much.", "Write it out plainly."
    return Fault(pointer=pointer_to_path(file), message=message, mend=mend, rule=Rule.COMPOSE_FILE)


def _fault(file: str, steps: Steps, message: str, mend: str) -> Fault:
    return Fault(pointer=pointer_to_path(file, *steps), message=message, mend=mend, rule=Rule.HOST_ACCESS)
