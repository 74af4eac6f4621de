"""The members of a bundle, admitted one by one under the rules for names."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace

from flotilla.task.fault import Fault, Rule, pointer_to_path, printable, refused
from flotilla.task.limits import Limits
from flotilla.task.tree import Kind, Member

_NAME_BYTES = 255
_PATH_BYTES = 3072
"""Linux takes 4096 with the folder that the task is unpacked into, which needs its share."""

_FAULTS_SHOWN = 50
"""A bundle with thousands of links needs no list of them."""

_RENAME = "Rename it and pack the task again."
_PACK_INSIDE = "Pack the task with paths relative to its own folder."

_NAME_RULES: tuple[tuple[Callable[[str], object], str, str], ...] = (
    (
        lambda name: any(unicodedata.category(char) in {"Cc", "Cs"} for char in name),
        "The name has a control character, or bytes that are not UTF-8.",
        _RENAME,
    ),
    (lambda name: "\\" in name, "The name has a backslash.", "Pack the task with '/' between folders."),
    (lambda name: name.startswith("/"), "The path is absolute.", _PACK_INSIDE),
    (lambda name: re.match(r"[A-Za-z]:", name), "The path begins with a drive.", _PACK_INSIDE),
    (lambda name: ".." in name.split("/"), "The path leaves its folder by '..'.", _PACK_INSIDE),
    (lambda name: len(name.encode()) > _PATH_BYTES, f"The path has more than {_PATH_BYTES} bytes.", _RENAME),
    (
        lambda name: any(len(part.encode()) > _NAME_BYTES for part in name.split("/")),
        f"A name in the path has more than {_NAME_BYTES} bytes.",
        _RENAME,
    ),
)  # fmt: skip -- one rule, one line


class MemberTable:
    """Files and folders of a bundle by path. Faults are gathered; too many of anything is refused at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._members: dict[str, Member] = {}
        self._entries = {Kind.FILE: 0, Kind.FOLDER: 0}
        self._seen = 0
        self.faults: list[Fault] = []

    def admit(self, name: str, *, kind: Kind, executable: bool = False) -> str | None:
        """The path under which this entry counts, or None if it is left out (noise, the root itself) or at fault."""
        self._seen += 1
        if self._seen > self._limits.entries:
            raise refused(
                f"The bundle has more than {self._limits.entries:,} entries.", "Remove what the task does not need.",
                rule=Rule.LIMIT,
            )  # fmt: skip
        fault = _name_fault(name) or _kind_fault(name, kind=kind)
        path = "/".join(part for part in name.split("/") if part not in {"", "."})
        if fault is None and (not path or _is_noise(path)):
            return None
        fault = fault or self._enter(Member(path=path, kind=kind, executable=executable))
        if fault is None:
            return path
        if len(self.faults) < _FAULTS_SHOWN:
            self.faults.append(fault)
        return None

    def weigh(self, path: str, *, size: int) -> None:
        """Records how many bytes the file really has."""
        self._members[path] = replace(self._members[path], size=size)

    def members(self) -> Mapping[str, Member]:
        """All that was admitted, folders that were only implied included."""
        return self._members

    def _enter(self, member: Member) -> Fault | None:
        parts = member.path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in self._members:
                self._add(Member(path=folder, kind=Kind.FOLDER))
            elif self._members[folder].kind is not Kind.FOLDER:
                return _duplicate(folder, "This is a file and a folder at once.")
        known = self._members.get(member.path)
        if known is None:
            self._add(member)
            return None
        if known.kind is not member.kind:
            return _duplicate(member.path, "This is a file and a folder at once.")
        # A folder named twice says nothing new; tar writes one for each argument it was given.
        return None if member.kind is Kind.FOLDER else _duplicate(member.path, "This file is in the bundle twice.")

    def _add(self, member: Member) -> None:
        self._members[member.path] = member
        self._entries[member.kind] += 1
        if self._entries[member.kind] > self._limits.files:
            raise refused(
                f"The bundle has more than {self._limits.files:,} {member.kind}s.",
                "Remove what the task does not need, or put it into the image or an archive of its own.",
                rule=Rule.LIMIT,
            )


def _is_noise(path: str) -> bool:
    """What macOS adds to archives: it belongs to no task."""
    top, _, rest = path.partition("/")
    return top == "__MACOSX" or path.endswith("/.DS_Store") or (not rest and top.startswith((".DS_Store", "._")))


def _name_fault(name: str) -> Fault | None:
    for broken, message, mend in _NAME_RULES:
        if broken(name):
            shown = printable(name)[:200]
            return Fault(
                pointer=pointer_to_path(shown), message=f"{message} It is {shown!r}.", mend=mend, rule=Rule.NAME
            )
    return None


def _kind_fault(name: str, *, kind: Kind) -> Fault | None:
    if kind in {Kind.FILE, Kind.FOLDER}:
        return None
    if kind is Kind.LINK:
        message, mend = "This is a link.", "Put the file itself in its place."
    else:
        message, mend = "This is neither a file nor a folder.", "Remove it from the task."
    return Fault(pointer=pointer_to_path(name), message=message, mend=mend, rule=Rule.LINK)


def _duplicate(path: str, message: str) -> Fault:
    return Fault(
        pointer=pointer_to_path(path), message=message, mend="Pack the task again, each path once.", rule=Rule.DUPLICATE
    )
