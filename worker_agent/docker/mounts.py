"""The folders that a container shares with its host, opened to every account from the host's side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OPEN_TO_ALL = 0o777
"""What Harbor gives them by a command in the container: a task's own account writes its logs there."""


def opened(mounts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Opens what is a folder of this host; the targets of the others, which only the container can open."""
    return list(dict.fromkeys(str(mount["target"]) for mount in mounts if not _is_opened(mount)))


def _is_opened(mount: Mapping[str, Any]) -> bool:
    if mount.get("read_only"):
        return True  # nobody writes there
    folder = Path(mount.get("source") or "")
    if mount["type"] != "bind" or not folder.is_dir():
        return False
    folder.chmod(OPEN_TO_ALL)
    return True
