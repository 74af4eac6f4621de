"""Rules for volumes, secrets and configs: what a service mounts, and what is declared for all of them."""

import re
from collections.abc import Iterator

from flotilla.task.compose.finding import Finding, Steps, refusal
from flotilla.task.compose.paths import mount_source, path
from flotilla.task.compose.rules import Rule, Scope, among, each, harmless, keyed, named, never, off
from flotilla.task.compose.value import Value, listed, mapped

_TYPE = among(
    "bind", "volume", "tmpfs", "image", why="this kind of mount is not for tasks.", mend="Mount a volume or a folder."
)
_TMPFS_OPTIONS = re.compile(r"((size|mode|uid|gid|nr_inodes|nr_blocks)=[\w%]+|noexec|nosuid|nodev|noatime|ro|rw)?")
_TMPFS_ONLY = "an engine's volume may be a tmpfs at most: any other option mounts what is the host's."
_USE_A_PLAIN_ONE = "Leave driver_opts out."


def mounts(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    """The rule of a service's `volumes`."""
    for place, entry in enumerate(listed(value)):
        yield from _TYPE(mapped(entry).get("type"), (*steps, place, "type"), scope)
        yield from path(mount_source(entry), (*steps, place), scope)


def own_name(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    """The rule of `name`: what is named outright is shared with every trial of the host, or taken from one."""
    is_of_compose = scope.project is not None and value == f"{scope.project}_{steps[-2]}"
    if value is not None and not is_of_compose:
        why = "every trial has its own, and one by this name may be another's, or be taken for a path."
        yield refusal(steps, value, why=why, mend="Leave it out.")


external = off("what exists already belongs to the host or to another trial.", "Let the Compose file define it.")


def _is_for_tmpfs(text: str) -> bool:
    return all(_TMPFS_OPTIONS.fullmatch(option.strip()) for option in text.split(","))


_OPTIONS: dict[str, Rule] = {
    "type": among("tmpfs", why=_TMPFS_ONLY, mend=_USE_A_PLAIN_ONE),
    "device": among("tmpfs", why=_TMPFS_ONLY, mend=_USE_A_PLAIN_ONE),
    "o": each(_is_for_tmpfs, why=_TMPFS_ONLY, mend=_USE_A_PLAIN_ONE),
}

_VOLUME: dict[str, Rule] = {
    "labels": harmless,
    "name": own_name,
    "external": external,
    "driver": among("local", why="workers have no other driver.", mend="Leave it out."),
    "driver_opts": keyed(_OPTIONS, what="A volume"),
}
volumes = named(keyed(_VOLUME, what="A volume"))

_DRIVERLESS = never("workers have no such driver.")
_FILE: dict[str, Rule] = {
    **dict.fromkeys(("content", "environment", "labels", "name"), harmless),
    "file": path,
    "external": external,
    "driver": _DRIVERLESS,
    "driver_opts": _DRIVERLESS,
    "template_driver": _DRIVERLESS,
}
small_files = named(keyed(_FILE, what="A secret or config"))
