"""Users of a sandbox, read from its own files: the name service would load libraries that a task may have written."""

import os


class Account:
    """Who a process runs as. (A plain class: the keeper cannot afford to import dataclasses.)"""

    __slots__ = ("gid", "groups", "home", "uid")

    def __init__(self, *, uid: int, gid: int, groups: list[int], home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home


ROOT = Account(uid=0, gid=0, groups=[], home="/root")


def find(user: str | int | None) -> Account:
    """The account for Docker's notation, a name or number with an optional `:group`; `LookupError` if unknown."""
    if user in (None, "", "root", "0", 0):
        return ROOT
    who, _, group = str(user).partition(":")
    rows = _rows("/etc/passwd")
    row = next((row for row in rows if who in (row[0], row[2])), None)
    if row is None and not who.isdigit():
        raise LookupError(f"there is no user {who!r} in this sandbox")
    name, uid, gid, home = (row[0], int(row[2]), int(row[3]), row[5]) if row else ("", int(who), 0, "/")
    groups = [int(row[2]) for row in _rows("/etc/group") if name and name in row[3].split(",")]
    return Account(uid=uid, gid=_group(group) if group else gid, groups=sorted({gid, *groups}), home=home)


def _group(group: str) -> int:
    if group.isdigit():
        return int(group)
    for row in _rows("/etc/group"):
        if row[0] == group:
            return int(row[2])
    raise LookupError(f"there is no group {group!r} in this sandbox")


def _rows(path: str) -> list[list[str]]:
    """The complete rows of a file in passwd's format."""
    if not os.path.exists(path):  # noqa: PTH110 (pathlib is slow to import, and this runs in PID 1)
        return []
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        rows = [line.rstrip("\n").split(":") for line in file]
    return [row for row in rows if len(row) >= 4]
